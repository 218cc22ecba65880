// Changes come to the kernel in pieces, and one rule that it refuses is found.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError } from '../../../../host/commands.ts';
import type { Iptables } from '../../../../host/iptables.ts';
import { applyChanges } from '../../../../proxy/iptables/apply.ts';
import type { ChainChange } from '../../../../proxy/model.ts';

/** Takes every text but those in which `bad` occurs. */
function fakeIptables(bad: string, stderr = 'line 3 failed'): { iptables: Iptables; texts: string[] } {
  const texts: string[] = [];
  const iptables = {
    restore: async (text: string): Promise<void> => {
      if (text.includes(bad)) throw new CommandError('refused', { reason: 'Failed', exitCode: 1, stderr });
      texts.push(text);
    },
  } as unknown as Iptables;
  return { iptables, texts };
}

const changes = (count: number): ChainChange[] =>
  Array.from({ length: count }, (_, at) => ({ table: 'nat', chain: `C${at}`, body: `-j A${at}\n-j B${at}` }));

test('many chains are several transactions', async () => {
  const { iptables, texts } = fakeIptables('nothing');
  const { written, refused } = await applyChanges(iptables, changes(1200));
  assert.deepEqual([texts.length, written.length, refused], [3, 1200, undefined]);
});

test('the rule that is refused is named, and what comes before it is written', async () => {
  const { iptables } = fakeIptables('-j B700\n');
  const { written, refused } = await applyChanges(iptables, changes(1200));
  assert.equal(written.length, 700);
  assert.equal(refused?.chain, 'C700');
  assert.equal(refused?.rule, '-j B700');
});

test('a lock that somebody holds is no rule’s fault', async () => {
  const { iptables } = fakeIptables('*nat', 'Another app is currently holding the xtables lock');
  await assert.rejects(applyChanges(iptables, changes(2)), CommandError);
});
