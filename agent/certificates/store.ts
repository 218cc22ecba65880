// Certificates on disk as upstream lays them out: `<name>-<time>.pem` with certificate and key, and `<name>-current.pem` that leads to the newest.
import { readdir, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, readIfExists, removeFile, syncDirectory, writeFileAtomic } from '../../host/files.ts';
import { createKey, type KeyPair, splitPair } from './pairs.ts';

export interface PairStore {
  /** The file that always leads to the newest pair. */
  readonly current: string;
  /** Undefined where there is none, or none that can be read. */
  load(): Promise<KeyPair | undefined>;
  save(pair: KeyPair, nowMs: number): Promise<void>;
  /** The key that a request is under way for: the same until `save`, across restarts. */
  pendingKey(): Promise<string>;
}

/** Old ones are kept for a look back, not for ever. */
const keptFiles = 3;

/** `name` is "kubelet-client" or "kubelet-server". Keys are 0600 from their first byte on, the directory 0700. */
export function createPairStore(directory: string, name: string): PairStore {
  const current = join(directory, `${name}-current.pem`);
  const pending = join(directory, `${name}.key.tmp`);

  async function forgetOld(): Promise<void> {
    const shape = new RegExp(`^${name}-\\d{4}-\\d\\d-\\d\\d-\\d\\d-\\d\\d-\\d\\d\\.pem$`);
    const files = (await readdir(directory)).filter((file) => shape.test(file)).sort();
    for (const file of files.slice(0, -keptFiles)) await removeFile(join(directory, file));
  }

  return {
    current,
    load: async () => {
      const text = await readIfExists(current);
      try {
        return text === undefined ? undefined : splitPair(text);
      } catch {
        // Half a file of somebody else's tool: another one is asked for.
        return undefined;
      }
    },
    save: async ({ cert, key }, nowMs) => {
      await ensureDirectory(directory, 0o700);
      const time = new Date(nowMs).toISOString().slice(0, 19).replace(/[T:]/g, '-');
      const file = `${name}-${time}.pem`;
      await writeFileAtomic(join(directory, file), cert + key, 0o600);
      const beside = `${current}.${process.pid}.tmp`;
      await rm(beside, { force: true });
      await symlink(join(directory, file), beside);
      await rename(beside, current);
      await syncDirectory(directory);
      await removeFile(pending);
      await forgetOld();
    },
    pendingKey: async () => {
      const known = await readIfExists(pending);
      if (known) return known;
      await ensureDirectory(directory, 0o700);
      const key = createKey();
      await writeFileAtomic(pending, key, 0o600);
      return key;
    },
  };
}
