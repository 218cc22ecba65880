// The namespaces that every cluster has from the start.
import { namespaces } from '../../../kube/resources.ts';
import { type Controller, looksNoFurther, nothing, watch } from '../../model.ts';

const always = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export const defaultNamespacesController: Controller = {
  name: 'default-namespaces',
  watches: [watch(namespaces, ({ metadata }) => always.filter((name) => name === metadata.name))],
  seeds: always,
  look: looksNoFurther,
  reconcile: (name, view) => {
    if (view.get(namespaces, name)) return nothing;
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    return { actions: [{ do: 'Create', of: namespaces, object, because: 'every cluster has this namespace' }] };
  },
};
