// The host's resolvers as its resolv.conf names them now: a laptop changes networks.
import type { Clock } from '../../../host/clock.ts';
import { readIfExists } from '../../../host/files.ts';
import { resolversOf } from '../rules/resolvers.ts';

const freshMs = 5000;

/** Looks at the file at most every five seconds. "" for a path: no resolvers. */
export function createUpstreams(
  path: string,
  ourselves: readonly string[],
  clock: Pick<Clock, 'now'>,
): () => Promise<readonly string[]> {
  let known: Promise<readonly string[]> | undefined;
  let readAtMs = 0;
  const read = async (): Promise<readonly string[]> => {
    const text = path === '' ? undefined : await readIfExists(path).catch(() => undefined);
    return resolversOf(text ?? '', ourselves);
  };
  return () => {
    if (!known || clock.now() - readAtMs > freshMs) {
      known = read();
      readAtMs = clock.now();
    }
    return known;
  };
}
