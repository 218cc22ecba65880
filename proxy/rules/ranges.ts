// Which blocks an address lies in.
import { contains, parseAddress, parseCidr } from '../../host/cidr.ts';

/** Whether any of `ranges` (canonical blocks) holds `ip` (a canonical address). */
export function rangesHold(ranges: readonly string[], ip: string): boolean {
  const address = parseAddress(ip);
  if (!address) return false;
  return ranges.some((range) => {
    const cidr = parseCidr(range);
    return cidr !== undefined && contains(cidr, address);
  });
}
