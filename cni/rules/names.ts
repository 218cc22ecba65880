// Names and hardware addresses that follow from what a container is and holds.
import { createHash } from 'node:crypto';
import { canonicalIp } from '../../host/cidr.ts';
import { type AttachmentKey, CniCode, CniError, type CniRequest, type Lease, type LeasedAddress } from '../model.ts';

/** Linux allows 15 characters for a link's name. */
const LINK_NAME = /^[A-Za-z0-9_.:-]{1,15}$/;
const LEASE =
  /^(?<hostIfName>veth[a-z0-9]{11})@(?<addresses>[0-9a-f.:,]+)@(?<ifName>[^@/]{1,15})@(?<containerId>[^@/]+)$/;

/** The host's end of a container's cable. Another one where `isTaken`: two containers never share a name. */
export function hostIfName(key: AttachmentKey, isTaken: (name: string) => boolean): string {
  for (let salt = 0; ; salt++) {
    const hash = createHash('sha256').update(`${key.containerId}/${key.ifName}/${salt}`).digest('hex');
    const name = `veth${BigInt(`0x${hash}`).toString(36).slice(0, 11)}`;
    if (!isTaken(name)) return name;
  }
}

/**
 * A container's hardware address follows from its first IPv4 address (else from the text of its IPv6 address): who gets an
 * address that was used before has the neighbour entry that others still remember. 0x0a: one station, administered locally.
 */
export function macOf(addresses: readonly Pick<LeasedAddress, 'address'>[]): string {
  const v4 = addresses.find(({ address }) => address.includes('.'))?.address;
  const bytes = v4
    ? [0x58, ...v4.split('.').map(Number)]
    : [
        ...createHash('sha256')
          .update(addresses.map(({ address }) => address).join())
          .digest()
          .subarray(0, 5),
      ];
  return [0x0a, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** A lease is one file, and its name says it all: `ls` is the tool. */
export function leaseFileName({ hostIfName, addresses, ifName, containerId }: Lease): string {
  const name = [hostIfName, addresses.join(), ifName, containerId].join('@');
  if (name.length <= 255) return name;
  throw new CniError(CniCode.InvalidEnvironment, `Invalid CNI_CONTAINERID "${containerId.slice(0, 80)}…": too long`);
}

/** Undefined for a file that is no lease. */
export function parseLeaseFileName(file: string): Lease | undefined {
  const { hostIfName = '', addresses = '', ifName = '', containerId = '' } = LEASE.exec(file)?.groups ?? {};
  const list = addresses.split(',');
  if (hostIfName === '' || !list.every((address) => canonicalIp(address) === address)) return undefined;
  return { hostIfName, addresses: list, ifName, containerId };
}

/** Throws CniError 4 for names that could mean something else to a shell, a path or `ip`. */
export function checkEnvironment({ command, containerId, ifName, netns }: CniRequest): void {
  const bad = (name: string, value: string, accepted: string): never => {
    throw new CniError(CniCode.InvalidEnvironment, `Invalid ${name} "${value.slice(0, 100)}": expected ${accepted}`);
  };
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(containerId)) {
    bad('CNI_CONTAINERID', containerId, 'a letter or digit, then letters, digits, "_", "." and "-"');
  }
  if (!LINK_NAME.test(ifName) || ifName === '.' || ifName === '..' || ifName.includes(':')) {
    bad('CNI_IFNAME', ifName, 'the name of a link: at most 15 letters, digits, "_", "." and "-"');
  }
  const needsNetns = command === 'ADD' || command === 'CHECK';
  if ((needsNetns || netns !== '') && !/^\/[A-Za-z0-9_.:@+/-]+$/.test(netns)) {
    bad('CNI_NETNS', netns, 'the absolute path of a network namespace, without blanks or quotes');
  }
}

/** CNI_ARGS as a map. Keys that we do not know are for others, whatever IgnoreUnknown says. */
export function parseArgs(args: string): ReadonlyMap<string, string> {
  const pairs = args.split(';').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [key = '', ...value] = pair.split('=');
      if (key !== '' && value.length > 0) return [key, value.join('=')] as const;
      throw new CniError(CniCode.InvalidEnvironment, `Invalid CNI_ARGS: "${pair.slice(0, 100)}" is not KEY=value`);
    }),
  );
}
