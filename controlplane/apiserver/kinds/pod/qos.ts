// A pod's quality of service, from what its containers ask for. Pure.
import { parseQuantity } from '../../../../kube/quantity.ts';
import { type JsonObject, list, object as objectOf, text } from '../../model.ts';

const counted = ['cpu', 'memory'] as const;

const isPositive = (quantity: unknown): boolean => quantity !== undefined && parseQuantity(text(quantity)).nano > 0n;

function isGuaranteed({ requests, limits }: { requests: JsonObject; limits: JsonObject }): boolean {
  return counted.every(
    (name) =>
      isPositive(limits[name]) &&
      parseQuantity(text(requests[name] ?? limits[name])).nano === parseQuantity(text(limits[name])).nano,
  );
}

export function qosClass(spec: JsonObject): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const podLevel = objectOf(spec['resources']);
  const containers = [...list(spec['containers']), ...list(spec['initContainers'])].map((one) =>
    objectOf(one['resources']),
  );
  const all = (Object.keys(podLevel).length > 0 ? [podLevel] : containers).map((resources) => ({
    requests: objectOf(resources['requests']),
    limits: objectOf(resources['limits']),
  }));
  const asks = all.some(({ requests, limits }) =>
    counted.some((name) => isPositive(requests[name]) || isPositive(limits[name])),
  );
  if (!asks) return 'BestEffort';
  return all.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}
