// The chains that are there without any Service, and where they hang in the kernel's own.
import type { NodeFacts, Rules, SharedRule, TableName } from '../model.ts';
import { exactly } from './addresses.ts';

/** A jump from one of the kernel's chains to one of ours; `match` narrows it. */
export interface Hook {
  readonly table: TableName;
  readonly from: string;
  readonly match: string;
  readonly to: string;
}

const isNew = '-m conntrack --ctstate NEW';

/** In the order in which they stand below each other: ours come first in every chain of the kernel. */
export const hooks: readonly Hook[] = [
  { table: 'filter', from: 'INPUT', match: '', to: 'KUBE-FIREWALL' },
  { table: 'filter', from: 'INPUT', match: isNew, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'INPUT', match: '', to: 'KUBE-NODEPORTS' },
  { table: 'filter', from: 'INPUT', match: isNew, to: 'KUBE-EXTERNAL-SERVICES' },
  { table: 'filter', from: 'FORWARD', match: isNew, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'FORWARD', match: '', to: 'KUBE-FORWARD' },
  { table: 'filter', from: 'FORWARD', match: isNew, to: 'KUBE-SERVICES' },
  { table: 'filter', from: 'FORWARD', match: isNew, to: 'KUBE-EXTERNAL-SERVICES' },
  { table: 'filter', from: 'OUTPUT', match: '', to: 'KUBE-FIREWALL' },
  { table: 'filter', from: 'OUTPUT', match: isNew, to: 'KUBE-PROXY-FIREWALL' },
  { table: 'filter', from: 'OUTPUT', match: isNew, to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'PREROUTING', match: '', to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'OUTPUT', match: '', to: 'KUBE-SERVICES' },
  { table: 'nat', from: 'POSTROUTING', match: '', to: 'KUBE-POSTROUTING' },
];

/** The masquerade bit as iptables prints it, with its mask. */
export function markOf(bit: number): string {
  const value = `0x${(2 ** bit).toString(16)}`;
  return `${value}/${value}`;
}

/**
 * The one rule of KUBE-FIREWALL, a chain that the kubelet may share: with route_localnet on, neighbours could send packets to
 * 127.0.0.1 (CVE-2020-8558). Only what a nodePort brought there may pass.
 */
export const martianGuard = '! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP';

const empty = (chain: string): SharedRule => ({ chain, rule: '' });

/** What stands whether there are Services or not. */
export function baseRules(facts: NodeFacts): Rules {
  const bit = markOf(facts.masqueradeBit);
  const mask = bit.slice(bit.indexOf('/') + 1);
  return {
    nat: {
      own: new Map([
        ['KUBE-MARK-MASQ', [`-j MARK --or-mark ${mask}`]],
        ['KUBE-PROXY-CANARY', []],
        [
          'KUBE-POSTROUTING',
          [
            `-m mark ! --mark ${bit} -m conntrack --ctstate DNAT -j KUBE-HAIRPIN`,
            `-m mark ! --mark ${bit} -j RETURN`,
            // The bit goes, so that a packet which passes here again inside a tunnel is not masqueraded twice.
            `-j MARK --xor-mark ${mask}`,
            '-j MASQUERADE --random-fully',
          ],
        ],
        ['KUBE-SERVICES', [...dispatchJump(facts), ...nodePortJumps(facts)]],
      ]),
      shared: ['KUBE-DISPATCH', 'KUBE-NODEPORTS', 'KUBE-HAIRPIN'].map(empty),
    },
    filter: {
      own: new Map([
        [
          'KUBE-EXTERNAL-SERVICES',
          ['-j KUBE-EXTERNAL-REFUSED', '-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS-REFUSED'],
        ],
        ['KUBE-FORWARD', forwardRules(facts, bit)],
        ['KUBE-PROXY-CANARY', []],
      ]),
      shared: [
        'KUBE-SERVICES',
        'KUBE-NODEPORTS',
        'KUBE-PROXY-FIREWALL',
        'KUBE-EXTERNAL-REFUSED',
        'KUBE-NODEPORTS-REFUSED',
      ].map(empty),
    },
  };
}

/** An out-of-window answer is not translated back; let through, it would reset the client's connection. */
function forwardRules({ dropInvalid }: NodeFacts, bit: string): string[] {
  return [
    ...(dropInvalid ? ['-m conntrack --ctstate INVALID -j DROP'] : []),
    `-m mark --mark ${bit} -j ACCEPT`,
    '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  ];
}

/** Takes the masquerade bit, and no other, off a packet. */
export function unmark(bit: number): string {
  return `-j MARK --set-xmark 0x0/0x${(2 ** bit).toString(16)}`;
}

/**
 * Who is not a pod of this node needs the node's address on the way to a ClusterIP, or the answer would not come back through us.
 * Marked once here and taken back from what is for no Service, instead of once per Service: the kernel walks every rule at every
 * change.
 */
function dispatchJump({ masqueradeAll, detector, masqueradeBit }: NodeFacts): string[] {
  if (!masqueradeAll && !detector) return ['-j KUBE-DISPATCH'];
  const who = masqueradeAll ? '' : `${detector?.ifNotLocal} `;
  return [`${who}-j KUBE-MARK-MASQ`, '-j KUBE-DISPATCH', unmark(masqueradeBit)];
}

/** NodePorts come last: an address that a Service names itself wins over a nodePort of the same number. */
function nodePortJumps({ family, nodePortAddresses, localhostNodePorts }: NodeFacts): string[] {
  if (nodePortAddresses) return nodePortAddresses.map((ip) => `-d ${exactly(ip)} -j KUBE-NODEPORTS`);
  const notLoopback = family === 6 ? '! -d ::1/128 ' : localhostNodePorts ? '' : '! -d 127.0.0.0/8 ';
  return [`${notLoopback}-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`];
}
