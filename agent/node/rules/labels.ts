// The labels that a node gives itself, and those it may not.

const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: '386',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
};

/** Go's name of the machine's architecture, from Node's. */
export const architectureOf = (nodeArch: string): string => architectures[nodeArch] ?? nodeArch;

export function defaultLabels(nodeName: string, architecture: string): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': nodeName,
    'kubernetes.io/os': 'linux',
  };
}

const allowed = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
]);

const isWithin = (domain: string, parent: string): boolean => domain === parent || domain.endsWith(`.${parent}`);

/** Labels that admission (NodeRestriction) lets no node set on itself. */
export function forbiddenLabels(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.keys(labels).filter((label) => {
    const domain = label.includes('/') ? label.slice(0, label.indexOf('/')) : '';
    if (!isWithin(domain, 'kubernetes.io') && !isWithin(domain, 'k8s.io')) return false;
    const own = isWithin(domain, 'kubelet.kubernetes.io') || isWithin(domain, 'node.kubernetes.io');
    return !own && !allowed.has(label);
  });
}
