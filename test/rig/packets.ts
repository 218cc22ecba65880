// Real packets through real rules: every line that a Service can say, asked from pods, the node, another node and the world.
import { after, before, test } from 'node:test';
import type { Backend } from '../../host/iptables.ts';
import { createTestNet, type TestNet } from './net.ts';
import { createScene } from './scene.ts';
import { addressScenes } from './scenes/addresses.ts';
import { choiceScenes } from './scenes/choice.ts';
import { lifeScenes } from './scenes/life.ts';

/** The whole suite on one backend, in the machine that test/run.ts made. */
export function packetSuite(backend: Backend): void {
  let net: TestNet;
  before(async () => {
    net = await createTestNet();
    for (const host of [net.podA, net.podB, net.remote])
      for (const port of [8080, 9090]) for (const protocol of ['tcp', 'udp'] as const) await host.serve(protocol, port);
  });
  after(() => net.remove());

  for (const family of [4, 6] as const)
    for (const [name, play] of Object.entries({ ...addressScenes, ...choiceScenes, ...lifeScenes }))
      test(`IPv${family}: ${name}`, async () => {
        const scene = await createScene(net, backend, family);
        try {
          await play(scene);
        } finally {
          await scene.end();
        }
      });
}
