// What the plugins were told and answered, one file per sandbox: written before the first plugin runs, removed after the last DEL.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, readIfExists, removeFile, writeFileAtomic } from '../../host/files.ts';
import type { NetworkConfig } from './rules/conflist.ts';

export interface AttachmentRecord {
  readonly sandboxId: string;
  /** "namespace/name" */
  readonly pod: string;
  readonly netns: string;
  /** A pid may be used again for another process: the same path is the same namespace only with the same inode. */
  readonly netnsInode: number;
  /** As it was at ADD: DEL must speak to the same plugins, whatever the directory says by then. */
  readonly network: NetworkConfig;
  readonly args: string;
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
  /** Undefined until the last plugin has answered. */
  readonly result?: unknown;
}

export interface AttachmentStore {
  get(sandboxId: string): Promise<AttachmentRecord | undefined>;
  put(record: AttachmentRecord): Promise<void>;
  remove(sandboxId: string): Promise<void>;
  ids(): Promise<readonly string[]>;
}

export function createAttachmentStore(dir: string): AttachmentStore {
  const fileOf = (sandboxId: string): string => {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(sandboxId)) throw new Error(`Invalid sandbox id "${sandboxId}"`);
    return join(dir, `${sandboxId}.json`);
  };
  return {
    async get(sandboxId) {
      const text = await readIfExists(fileOf(sandboxId));
      return text === undefined ? undefined : parseRecord(text);
    },
    async put(record) {
      await ensureDirectory(dir, 0o700);
      await writeFileAtomic(fileOf(record.sandboxId), JSON.stringify(record));
    },
    remove: (sandboxId) => removeFile(fileOf(sandboxId)),
    async ids() {
      await ensureDirectory(dir, 0o700);
      const names = await readdir(dir);
      return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    },
  };
}

/** A torn file counts as none: the leases that it stood for are found by the collection. */
function parseRecord(text: string): AttachmentRecord | undefined {
  try {
    return JSON.parse(text) as AttachmentRecord;
  } catch {
    return undefined;
  }
}
