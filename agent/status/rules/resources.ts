// What a container's status says of its resources: the limits that the engine enforces now, in the spec's own words where they agree.
import { formatQuantity, milliQuantity, milliValue, parseQuantity, quantityOf, value } from '../../../kube/quantity.ts';
import type { Container, ResourceRequirements } from '../../../kube/types.ts';
import type { ObservedContainer } from '../../model.ts';

type Amounts = Readonly<Record<string, string | number>>;
const leastShares = 2;
const leastQuotaMicros = 1000;

function sharesOf(milli: number): number {
  return Math.min(262_144, Math.max(leastShares, Math.floor((milli * 1024) / 1000)));
}

function cpuRequest(wanted: string | number, shares: number): string | number {
  if (shares <= leastShares || sharesOf(milliValue(parseQuantity(wanted))) === shares) return wanted;
  return formatQuantity(milliQuantity((shares * 1000) / 1024));
}

function cpuLimit(wanted: string | number, quotaMicros: number, periodMicros: number): string | number {
  const wantedMilli = milliValue(parseQuantity(wanted));
  const isFloor = quotaMicros <= leastQuotaMicros;
  if (quotaMicros <= 0 || periodMicros <= 0 || (isFloor && wantedMilli <= 10)) return wanted;
  const milli = Math.floor((quotaMicros * 1000) / periodMicros);
  return milli === wantedMilli ? wanted : formatQuantity(milliQuantity(milli));
}

function memoryLimit(wanted: string | number, bytes: number): string | number {
  if (bytes <= 0 || value(parseQuantity(wanted)) === bytes) return wanted;
  return formatQuantity(quantityOf(bytes, 'BinarySI'));
}

function replaceKnown(amounts: Amounts | undefined, actual: Record<string, (wanted: string | number) => unknown>) {
  if (!amounts) return undefined;
  return Object.fromEntries(Object.entries(amounts).map(([name, wanted]) => [name, actual[name]?.(wanted) ?? wanted]));
}

/** Actual resources of a running container; of one that is not, what it would get. */
export function resourcesOf(container: Container, record: ObservedContainer): ResourceRequirements {
  const { limits, requests } = container.resources ?? {};
  const { cpuShares, cpuQuotaMicros, cpuPeriodMicros, memoryBytes } = record.resources;
  const running = record.phase === 'running';
  const shownLimits = running
    ? replaceKnown(limits, {
        cpu: (wanted) => cpuLimit(wanted, cpuQuotaMicros, cpuPeriodMicros),
        memory: (wanted) => memoryLimit(wanted, memoryBytes),
      })
    : limits;
  const shownRequests = running ? replaceKnown(requests, { cpu: (wanted) => cpuRequest(wanted, cpuShares) }) : requests;
  return {
    ...(shownLimits ? { limits: shownLimits as Record<string, string | number> } : {}),
    ...(shownRequests ? { requests: shownRequests as Record<string, string | number> } : {}),
  };
}
