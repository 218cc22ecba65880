// The network that the node runs: the first file of the configuration directory that holds one, looked at afresh each time.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../host/log.ts';
import { candidateFiles, type NetworkConfig, parseNetworkConfig } from './rules/conflist.ts';

export interface ConfDir {
  /** Undefined while there is no file with a network in it. */
  current(): NetworkConfig | undefined;
}

/** A directory entry and one small file are read per call, well under a millisecond: nothing to watch, nothing to go stale. */
export function createConfDir(dir: string, log: Log): ConfDir {
  const complaints = new Map<string, string>();
  const complain = (file: string, error: unknown): void => {
    const because = error instanceof Error ? error.message : String(error);
    if (complaints.get(file) === because) return;
    complaints.set(file, because);
    log.warn({ file, because }, 'Network configuration skipped');
  };
  return {
    current() {
      for (const name of candidateFiles(list(dir))) {
        const file = join(dir, name);
        try {
          const network = parseNetworkConfig(readFileSync(file, 'utf8'));
          complaints.delete(file);
          return network;
        } catch (error) {
          complain(file, error);
        }
      }
      return undefined;
    },
  };
}

function list(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
