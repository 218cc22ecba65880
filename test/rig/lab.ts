// Several machines with systemd and Docker on one: privileged containers of the suite's own Docker Engine, from the image that lab/image.sh makes.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandResult, run } from '../../host/commands.ts';

const root = join(import.meta.dirname, '../..');
/** Outside the repository: made once on a machine, it serves every later run. */
const cache = process.env['NODELET_TEST_CACHE'] ?? '/var/cache/nodelet-test';
const imageMs = 900_000;
const bootMs = 60_000;

export interface LabMachine {
  readonly name: string;
  readonly address: string;
  run(program: string, ...args: string[]): Promise<CommandResult>;
  /** Copies a file of ours into the machine. */
  put(from: string, to: string): Promise<void>;
}

export interface Lab {
  readonly machines: readonly LabMachine[];
  docker(...args: string[]): Promise<CommandResult>;
  remove(): Promise<void>;
}

const docker = (...args: string[]): Promise<CommandResult> =>
  run('docker', ['-H', `unix://${process.env['NODELET_TEST_DOCKER']}`, ...args], { timeoutMs: 300_000 });

/** Boots one machine per name, 10.98.0.10 and on, and waits until Docker answers in each. Throws with what a machine's journal says. */
export async function startLab(names: readonly string[]): Promise<Lab> {
  const archive = await imageArchive();
  await docker('import', archive, 'nodelet-lab:1');
  await docker('network', 'create', '--subnet', '10.98.0.0/24', '-o', 'com.docker.network.bridge.name=lab0', 'lab');
  const machines = await Promise.all(names.map((name, at) => boot(name, `10.98.0.${10 + at}`)));
  const remove = async (): Promise<void> => {
    await docker('rm', '-f', '-v', ...names);
  };
  return { machines, docker, remove };
}

/** Made where there is none: that takes a minute or two, once on a machine. */
export async function imageArchive(): Promise<string> {
  const { stdout } = await run('sh', [join(root, 'lab/image.sh'), cache], { timeoutMs: imageMs });
  return stdout.trim();
}

async function boot(name: string, address: string): Promise<LabMachine> {
  const temporary = ['--tmpfs', '/run', '--tmpfs', '/run/lock', '--tmpfs', '/tmp:exec'];
  const volumes = ['/var/lib/docker', '/var/lib/containerd', '/var/lib/nodelet'].flatMap((path) => ['-v', path]);
  const isolation = ['--privileged', '--cgroupns=private', '--network', 'lab', '--ip', address];
  const start = ['--stop-signal', 'SIGRTMIN+3', '-e', 'container=docker', 'nodelet-lab:1', '/sbin/init'];
  await docker('run', '-d', '--name', name, '--hostname', name, ...isolation, ...temporary, ...volumes, ...start);
  const machine: LabMachine = {
    name,
    address,
    run: (program, ...args) => docker('exec', name, program, ...args),
    put: async (from, to) => {
      await run(
        'docker',
        ['-H', `unix://${process.env['NODELET_TEST_DOCKER']}`, 'exec', '-i', name, 'sh', '-c', `cat >${to}`],
        {
          input: await readFile(from),
          timeoutMs: 120_000,
        },
      );
    },
  };
  for (const end = Date.now() + bootMs; Date.now() < end; await sleep(100)) {
    const answer = await machine.run('docker', 'version', '--format', '{{.Server.Version}}').catch(() => undefined);
    if (answer) return machine;
  }
  const { stdout } = await machine.run('journalctl', '-b', '-n', '50', '--no-pager').catch(() => ({ stdout: '' }));
  throw new Error(`Docker did not answer in machine "${name}" within ${bootMs / 1000} s:\n${stdout}`);
}
