// The address that a machine is known by when nobody says: the source address of its default route.
import { run } from '../host/commands.ts';

/** Any address out there: it is only looked up in the routing table, nothing is sent. */
const elsewhere = '192.0.2.1';

/** Throws a line that names `--node-ip` where the machine has no default route. */
export async function defaultAddress(): Promise<string> {
  try {
    const { stdout } = await run('ip', ['-j', '-4', 'route', 'get', elsewhere]);
    const [route] = JSON.parse(stdout) as { prefsrc?: string }[];
    if (route?.prefsrc) return route.prefsrc;
  } catch {
    // No route: said below.
  }
  throw new Error('cannot tell the address of this machine, it has no default route: give --node-ip');
}
