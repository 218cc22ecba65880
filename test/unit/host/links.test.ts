import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipBatch, LinkError, linkExists } from '../../../host/links.ts';

test('a batch answers each question in order', async () => {
  const [[link] = [], routes = []] = await ipBatch(['address show dev lo', 'address show dev lo']);
  assert.equal(link?.ifname, 'lo');
  assert.equal(routes[0]?.ifname, 'lo');
});

test('a batch that stops says where and why', async () => {
  await assert.rejects(ipBatch(['address show dev lo', 'link set dev nothing0 up']), (error: LinkError) => {
    assert.ok(error instanceof LinkError);
    assert.deepEqual([error.reason, error.line], ['NotFound', 2]);
    assert.equal(error.message, 'Cannot run "ip link set dev nothing0 up": Cannot find device "nothing0"');
    return true;
  });
});

test('links are looked up without a process', () => {
  assert.deepEqual([linkExists('lo'), linkExists('nothing0')], [true, false]);
});
