// Files that may be replaced while the agent runs: read again when they have changed, the last good text where they cannot be.
import { readFileSync, statSync } from 'node:fs';
import type { Log } from '../../host/log.ts';

interface Seen {
  readonly stamp: string;
  readonly text: string;
}

const stampOf = (path: string): string => {
  const { ino, size, mtimeMs } = statSync(path);
  return `${ino} ${size} ${mtimeMs}`;
};

/** The file's text as it is now: one `stat` per call, cheap enough for each connection. Throws here where it cannot be read at all. */
export function followFile(path: string, log: Log): () => string {
  let seen: Seen = { stamp: stampOf(path), text: readFileSync(path, 'utf8') };
  return () => {
    try {
      const stamp = stampOf(path);
      if (stamp !== seen.stamp) seen = { stamp, text: readFileSync(path, 'utf8') };
    } catch (err) {
      log.warn({ file: path, err }, 'File not read again');
    }
    return seen.text;
  };
}
