// What every namespace holds from the start: its default ServiceAccount, and the CA by which pods know the API server.
import { configMaps, namespaces, type Resource, serviceAccounts } from '../../../kube/resources.ts';
import type { KubeObject, Namespace } from '../../../kube/types.ts';
import { type Controller, looksNoFurther, nothing, watch } from '../../model.ts';

const rootCaName = 'kube-root-ca.crt';
const rootCaDescription =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. ' +
  'No other usage is guaranteed across distributions of Kubernetes clusters.';

const isActive = (namespace: Namespace | undefined): boolean =>
  namespace !== undefined && !namespace.metadata.deletionTimestamp;

const namespaceOf = (name: string) => (object: KubeObject) =>
  object.metadata.name === name && object.metadata.namespace ? [object.metadata.namespace] : [];

export const serviceAccountController: Controller = {
  name: 'service-account',
  watches: [watch(namespaces, ({ metadata }) => [metadata.name]), watch(serviceAccounts, namespaceOf('default'))],
  look: looksNoFurther,
  reconcile: (namespace, view) => {
    if (!isActive(view.get(namespaces, namespace)) || view.get(serviceAccounts, `${namespace}/default`)) return nothing;
    const object = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
    const because = 'every namespace has a default service account';
    return { actions: [{ do: 'Create', of: serviceAccounts, object, because }] };
  },
};

export function rootCaController(caPem: string): Controller {
  return {
    name: 'root-ca-publisher',
    watches: [watch(namespaces, ({ metadata }) => [metadata.name]), watch(configMaps, namespaceOf(rootCaName))],
    look: looksNoFurther,
    reconcile: (namespace, view) => {
      if (!isActive(view.get(namespaces, namespace))) return nothing;
      const of: Resource<KubeObject> = configMaps;
      const known = view.get(configMaps, `${namespace}/${rootCaName}`);
      const data = { 'ca.crt': caPem };
      const annotations = { 'kubernetes.io/description': rootCaDescription };
      if (!known) {
        const metadata = { name: rootCaName, namespace, annotations };
        const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
        return { actions: [{ do: 'Create', of, object, because: 'pods verify the API server with it' }] };
      }
      if (JSON.stringify(known.data) === JSON.stringify(data)) return nothing;
      const metadata = { ...known.metadata, annotations: { ...known.metadata.annotations, ...annotations } };
      const object = { ...known, metadata, data };
      return { actions: [{ do: 'Update', of, object, because: 'it does not hold the CA in use' }] };
    },
  };
}
