// Who may do what, shaped like RBAC rules: the part of upstream's bootstrap roles that this control plane's clients need.

export interface Rule {
  readonly verbs: readonly string[];
  readonly groups?: readonly string[];
  /** "pods", "pods/status", "*". */
  readonly resources?: readonly string[];
  readonly names?: readonly string[];
  readonly paths?: readonly string[];
  /** Only inside this namespace. */
  readonly namespace?: string;
  /** Only one object at a time: reading it, or a list or watch that selects it by name. */
  readonly oneByOne?: true;
}

export interface Grant {
  /** A user's name, or a group's. */
  readonly user?: string;
  readonly group?: string;
  readonly rules: readonly Rule[];
}

const read = ['get', 'list', 'watch'] as const;
const write = ['create', 'update', 'patch', 'delete'] as const;
const everything: Rule[] = [
  { verbs: ['*'], groups: ['*'], resources: ['*'] },
  { verbs: ['*'], paths: ['*'] },
];
const eventsRule: Rule = { verbs: ['create', 'update', 'patch'], groups: ['', 'events.k8s.io'], resources: ['events'] };
const leasesRule: Rule = { verbs: [...read, ...write], groups: ['coordination.k8s.io'], resources: ['leases'] };

const publicInfo: Rule = {
  verbs: ['get'],
  paths: ['/healthz', '/healthz/*', '/livez', '/livez/*', '/readyz', '/readyz/*', '/version', '/version/'],
};
const discovery: Rule = {
  verbs: ['get'],
  paths: ['/', '/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', ...(publicInfo.paths ?? [])],
};

const nodes: Rule[] = [
  {
    verbs: ['create'],
    groups: ['authentication.k8s.io'],
    resources: ['tokenreviews'],
  },
  {
    verbs: ['create'],
    groups: ['authorization.k8s.io'],
    resources: ['subjectaccessreviews', 'localsubjectaccessreviews'],
  },
  { verbs: read, groups: [''], resources: ['services'] },
  { verbs: ['create', ...read], groups: [''], resources: ['nodes'] },
  { verbs: ['update', 'patch'], groups: [''], resources: ['nodes', 'nodes/status'] },
  eventsRule,
  { verbs: [...read, 'create', 'delete'], groups: [''], resources: ['pods'] },
  { verbs: ['update', 'patch'], groups: [''], resources: ['pods/status'] },
  { verbs: ['create'], groups: [''], resources: ['pods/eviction', 'serviceaccounts/token'] },
  { verbs: read, groups: [''], resources: ['secrets', 'configmaps'], oneByOne: true },
  { verbs: read, groups: [''], resources: ['persistentvolumeclaims', 'persistentvolumes'] },
  { verbs: ['get', 'update', 'patch'], groups: [''], resources: ['persistentvolumeclaims/status'] },
  { verbs: ['get'], groups: ['storage.k8s.io'], resources: ['volumeattachments'] },
  { verbs: ['get', ...write], groups: ['coordination.k8s.io'], resources: ['leases'] },
  { verbs: ['get', ...write], groups: ['storage.k8s.io'], resources: ['csinodes'] },
  { verbs: read, groups: ['storage.k8s.io'], resources: ['csidrivers'] },
  { verbs: read, groups: ['node.k8s.io'], resources: ['runtimeclasses'] },
];

const proxier: Rule[] = [
  { verbs: ['list', 'watch'], groups: [''], resources: ['services', 'endpoints'] },
  { verbs: read, groups: [''], resources: ['nodes'] },
  eventsRule,
  { verbs: ['list', 'watch'], groups: ['discovery.k8s.io'], resources: ['endpointslices'] },
];

const dns: Rule[] = [
  { verbs: ['list', 'watch'], groups: [''], resources: ['services', 'endpoints', 'namespaces', 'pods'] },
  { verbs: ['list', 'watch'], groups: ['discovery.k8s.io'], resources: ['endpointslices'] },
];

/** Our own DNS server also announces itself: nobody deploys it. */
const ownDns: Rule[] = [
  ...dns,
  { verbs: ['get', 'create'], groups: [''], resources: ['services'], namespace: 'kube-system' },
  { verbs: ['get', ...write], groups: ['discovery.k8s.io'], resources: ['endpointslices'], namespace: 'kube-system' },
];

const scheduler: Rule[] = [
  eventsRule,
  leasesRule,
  {
    verbs: read,
    groups: [''],
    resources: ['nodes', 'namespaces', 'services', 'persistentvolumes', 'persistentvolumeclaims'],
  },
  { verbs: [...read, 'delete'], groups: [''], resources: ['pods'] },
  { verbs: ['create'], groups: [''], resources: ['bindings', 'pods/binding'] },
  { verbs: ['patch', 'update'], groups: [''], resources: ['pods/status'] },
  { verbs: ['patch', 'update'], groups: [''], resources: ['persistentvolumes', 'persistentvolumeclaims'] },
  { verbs: read, groups: ['storage.k8s.io', 'policy', 'apps'], resources: ['*'] },
  { verbs: ['create'], groups: ['authentication.k8s.io'], resources: ['tokenreviews'] },
  { verbs: ['create'], groups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'] },
];

const controllerManager: Rule[] = [
  eventsRule,
  leasesRule,
  { verbs: ['list', 'watch'], groups: ['*'], resources: ['*'] },
  { verbs: ['get'], groups: ['*'], resources: ['*'] },
  { verbs: [...write, 'deletecollection'], groups: ['*'], resources: ['*'] },
  { verbs: ['update'], groups: [''], resources: ['namespaces/finalize', 'namespaces/status'] },
];

const signing: Rule = {
  verbs: ['create', ...read],
  groups: ['certificates.k8s.io'],
  resources: ['certificatesigningrequests'],
};
const approvedFor = (what: string): Rule => ({
  verbs: ['create'],
  groups: ['certificates.k8s.io'],
  resources: [`certificatesigningrequests/${what}`],
});

/** What a machine needs to become a node, and a node to stay one: kubeadm grants the same. */
const joining: Grant[] = [
  {
    group: 'system:bootstrappers',
    rules: [signing, approvedFor('nodeclient'), { verbs: ['get'], groups: [''], resources: ['nodes'] }],
  },
  // Nodes run the proxy under their own name: it reads no more than pods may learn anyway.
  { group: 'system:nodes', rules: [signing, approvedFor('selfnodeclient'), approvedFor('selfnodeserver'), ...proxier] },
  {
    group: 'system:unauthenticated',
    rules: [
      { verbs: ['get'], groups: [''], resources: ['configmaps'], names: ['cluster-info'], namespace: 'kube-public' },
    ],
  },
];

/** Every grant there is. A service account that is not named here may only what all authenticated users may. */
export const policy: readonly Grant[] = [
  { group: 'system:masters', rules: everything },
  { group: 'system:nodes', rules: nodes },
  ...joining,
  { user: 'system:kube-proxy', rules: proxier },
  { user: 'system:serviceaccount:kube-system:kube-proxy', rules: proxier },
  { user: 'system:kube-dns', rules: ownDns },
  { user: 'system:serviceaccount:kube-system:coredns', rules: dns },
  { user: 'system:kube-scheduler', rules: scheduler },
  { user: 'system:kube-controller-manager', rules: controllerManager },
  {
    group: 'system:authenticated',
    rules: [
      discovery,
      {
        verbs: ['create'],
        groups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      },
      { verbs: ['create'], groups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
    ],
  },
  { group: 'system:unauthenticated', rules: [discovery] },
  {
    group: 'system:serviceaccounts',
    rules: [{ verbs: ['get'], paths: ['/.well-known/openid-configuration', '/openid/v1/jwks', '/openid/v1/jwks/'] }],
  },
];
