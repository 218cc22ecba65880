// The fake engine keeps the contract that Docker keeps.
import { engineContract } from '../../../contracts/engine.ts';
import { createFakeEngine } from '../../../fakes/engine.ts';

engineContract('fake engine', async () => {
  const engine = createFakeEngine();
  engine.addImage('busybox:test');
  return { engine, image: 'busybox:test' };
});
