// Builds what the service proxy knows of its node.
import type { NodeFacts } from '../../proxy/model.ts';

export function nodeFactsOf(more: Partial<NodeFacts> = {}): NodeFacts {
  const cidr = more.family === 6 ? 'fd00:10:244::/48' : '10.244.0.0/16';
  return {
    family: 4,
    nodeName: 'node-1',
    zone: undefined,
    nodeIp: more.family === 6 ? 'fd77::2' : '192.168.77.2',
    masqueradeBit: 14,
    masqueradeAll: false,
    detector: { ifLocal: `-s ${cidr}`, ifNotLocal: `! -s ${cidr}` },
    nodePortAddresses: undefined,
    localhostNodePorts: more.family !== 6,
    dropInvalid: true,
    affinity: 'recent',
    ...more,
  };
}
