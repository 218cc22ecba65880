// hostPath types: one row per type and what is there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FileKind, type HostPathPlan, planHostPath } from '../../../../../agent/volumes/rules/host-path.ts';

const kinds: readonly FileKind[] = ['directory', 'file', 'socket', 'characterDevice', 'blockDevice', 'other', 'absent'];
const use: HostPathPlan = { do: 'UseIt' };
const not = (what: string): HostPathPlan => ({
  do: 'Refuse',
  because: `hostPath type check failed: /x is not ${what}`,
});
const only = (kind: FileKind, what: string): HostPathPlan[] => kinds.map((one) => (one === kind ? use : not(what)));

const table: Record<string, HostPathPlan[]> = {
  '': [use, use, use, use, use, use, { do: 'MakeDirectory', mode: 0o755, because: 'the path does not exist' }],
  Directory: only('directory', 'a directory'),
  Socket: only('socket', 'a socket file'),
  CharDevice: only('characterDevice', 'a character device'),
  BlockDevice: only('blockDevice', 'a block device'),
  File: [not('a file'), use, use, use, use, use, not('a file')],
  FileOrCreate: [
    not('a file'),
    use,
    use,
    use,
    use,
    use,
    { do: 'MakeFile', mode: 0o644, because: 'the type is FileOrCreate' },
  ],
  DirectoryOrCreate: [
    ...only('directory', 'a directory').slice(0, -1),
    { do: 'MakeDirectory', mode: 0o755, because: 'the type is DirectoryOrCreate' },
  ],
  Door: kinds.map(() => ({ do: 'Refuse', because: 'Door is an invalid volume type' })),
};
for (const [type, plans] of Object.entries(table)) {
  for (const [at, kind] of kinds.entries()) {
    test(`type "${type}" where there is: ${kind}`, () => assert.deepEqual(planHostPath('/x', type, kind), plans[at]));
  }
}
