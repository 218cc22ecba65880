// Static pods from manifests on disk: a file, or every file of a directory. Changes are seen at once, and all is read again now and then.
import { watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import type { Clock } from '../../host/clock.ts';
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import { podsOf } from './rules/static-pod.ts';

export interface StaticFilesParts {
  /** A file or a directory. */
  readonly path: string;
  readonly nodeName: string;
  readonly everyMs: number;
  /** All pods that the files have now. */
  readonly onSnapshot: (pods: readonly Pod[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const maxBytes = 10 * 1024 * 1024;
/** Editors write in several steps. */
const settleMs = 50;

interface Manifest {
  readonly stamp: string;
  readonly pods: readonly Pod[];
}

/** Tells of every change until `signal` ends. Never rejects. */
export async function followManifests(parts: StaticFilesParts, signal: AbortSignal): Promise<void> {
  const { path, everyMs, onSnapshot, clock, log } = parts;
  const read = createReader(parts);
  while (!signal.aborted) {
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    // Listening begins before the look, anew each time: a directory may have been replaced.
    const { rung } = await listen(path, ended);
    try {
      onSnapshot(await read());
    } catch (err) {
      // Unreadable is not empty: the pods stay.
      log.warn({ err, file: path }, 'Static pods could not be read');
    }
    await Promise.race([rung, clock.sleep(everyMs, ended).catch(() => {})]);
    over.abort();
    await clock.sleep(settleMs, signal).catch(() => {});
  }
}

/** Reads what has changed. A file that is there and cannot be a pod keeps what it said before: half-written files end nobody. */
function createReader({ path, nodeName, clock, log }: StaticFilesParts): () => Promise<readonly Pod[]> {
  let known = new Map<string, Manifest>();

  async function read(file: string): Promise<Manifest | undefined> {
    const before = known.get(file);
    const found = await statOf(file);
    if (!found?.isFile()) return undefined;
    const stamp = `${found.ino} ${found.size} ${found.mtimeMs}`;
    if (before?.stamp === stamp) return before;
    try {
      if (found.size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
      const seenAt = new Date(clock.now()).toISOString();
      const manifest: unknown = parse(await readFile(file, 'utf8'), { maxAliasCount: 0 });
      return { stamp, pods: podsOf(manifest, { source: 'file', place: file, nodeName, seenAt }) };
    } catch (err) {
      log.warn({ file, because: (err as Error).message.split('\n')[0] }, 'Static pod manifest refused');
      return { stamp, pods: before?.pods ?? [] };
    }
  }

  return async () => {
    const next = new Map<string, Manifest>();
    for (const file of await manifestFiles(path)) {
      const manifest = await read(file);
      if (manifest) next.set(file, manifest);
    }
    known = next;
    return [...known.values()].flatMap(({ pods }) => pods);
  };
}

/** Names that begin with a dot are editors' and Kubernetes' own business. A path that is not there has no pods. */
async function manifestFiles(path: string): Promise<readonly string[]> {
  const found = await statOf(path);
  if (!found) return [];
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => !name.startsWith('.'));
  return names.sort().map((name) => join(path, name));
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `rung` resolves at the next change in the directory, or in the one that holds the file; never where there is none. */
async function listen(path: string, signal: AbortSignal): Promise<{ readonly rung: Promise<void> }> {
  const found = await statOf(path).catch(() => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  try {
    const watcher = watch(found?.isDirectory() ? path : dirname(path), { persistent: false, signal }, () => resolve());
    watcher.on('error', () => resolve());
  } catch {
    // The slow look finds what appears.
  }
  return { rung: promise };
}
