// Whose questions are heard: a resolver that answers everybody is a weapon against others.
import { type Cidr, contains, parseAddress, parseCidr } from '../../../host/cidr.ts';

/** Networks that are nobody's on the Internet: private, shared, link-local, loopback. */
export const privateNetworks =
  '10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,127.0.0.0/8,fc00::/7,fe80::/10,::1/128';

/** Reads blocks with "," between; undefined where one of them is none. */
export function parseNetworks(text: string): Cidr[] | undefined {
  const blocks = text.split(',').map((one) => parseCidr(one.trim()));
  return blocks.every((one) => one !== undefined) ? blocks : undefined;
}

/** `source` as the kernel writes it, "fe80::1%eth0" included. */
export function isHeard(source: string, networks: readonly Cidr[]): boolean {
  const address = parseAddress(source.replace(/%.*$/, ''));
  return address !== undefined && networks.some((network) => contains(network, address));
}
