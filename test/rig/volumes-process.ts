// A process of its own that makes a pod's volumes ready, or takes them away, so that a test can kill it at any moment.
// Arguments: the root directory, a directory outside, and "ensure" or "forget". Prints "done" when it has.

import { createVolumes } from '../../agent/volumes/volumes.ts';
import { systemClock } from '../../host/clock.ts';
import { silentLog } from '../../host/log.ts';
import { createFakePodObjects } from '../fakes/pod-objects.ts';
import { victim } from './volumes-victim.ts';

const [rootDir = '', outside = '', what = ''] = process.argv.slice(2);
const objects = createFakePodObjects();
objects.putSecret('login', { user: 'anna', password: 'pw' });
objects.putConfigMap('settings', { a: what, b: '2' });
const volumes = createVolumes({
  rootDir,
  objects,
  node: { name: 'node-1', allocatable: () => ({ memory: '1Gi' }), labels: () => ({}) },
  events: { pod: () => {}, node: () => {} },
  log: silentLog,
  clock: systemClock,
});
const { signal } = new AbortController();
const desired = victim(outside);
process.stdout.write('started\n');
if (what === 'forget') await volumes.forget(desired.uid, signal);
else {
  await volumes.ensure(desired, signal);
  for (const container of desired.pod.spec.containers) await volumes.mountsFor(desired, container, { env: {} }, signal);
}
process.stdout.write('done\n');
