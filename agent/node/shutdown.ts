// Ends pods in order before the machine goes down. systemd is asked to wait; without systemd there is nothing to do.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Clock } from '../../host/clock.ts';
import { run } from '../../host/commands.ts';
import type { Log } from '../../host/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { EventSink, Rejection, Termination } from '../model.ts';
import {
  delayDropIn,
  parsePrepareForShutdown,
  type ShutdownStep,
  shutdownGroups,
  shutdownTermination,
} from './rules/shutdown.ts';

export interface ShutdownParts {
  /** Empty: pods are not ended in order. */
  readonly steps: readonly ShutdownStep[];
  readonly pods: () => readonly Pod[];
  readonly terminate: (uid: string, termination: Termination) => void;
  readonly isGone: (uid: string) => boolean;
  /** The node is, or is no longer, about to go. */
  readonly onChange: () => void;
  readonly nodeName: string;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** The machine's word on going down, and the lock that makes it wait; systemd's where it is not given. */
  readonly inhibitor?: Inhibitor;
}

export interface Inhibitor {
  isThere(): Promise<boolean>;
  /** Makes the machine wait, at most `seconds`. Answers with how to let it go. */
  delay(seconds: number): Promise<() => void>;
  /** True when it is about to go down, false when that was called off. */
  watch(signal: AbortSignal): AsyncIterable<boolean>;
}

export interface ShutdownWatch {
  /** What the Ready condition says; undefined while the machine stays up. */
  notReady(): string | undefined;
  refuses(): Rejection | undefined;
  /** Watches until `signal` ends. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

const lookMs = 100;
const reconnectMs = 5000;

export function createShutdown(parts: ShutdownParts): ShutdownWatch {
  const { steps, clock, log, events, inhibitor = systemd } = parts;
  let isGoing = false;

  async function endGroups(signal: AbortSignal): Promise<void> {
    for (const { graceSeconds, pods } of shutdownGroups(parts.pods(), steps)) {
      log.info({ pods: pods.length, graceSeconds }, 'Pods ended before shutdown');
      for (const pod of pods) parts.terminate(pod.metadata.uid, shutdownTermination(pod, graceSeconds));
      const untilMs = clock.now() + graceSeconds * 1000;
      while (!signal.aborted && clock.now() < untilMs && !pods.every(({ metadata }) => parts.isGone(metadata.uid))) {
        await clock.sleep(lookMs, signal).catch(() => {});
      }
    }
  }

  function say(isNow: boolean): void {
    isGoing = isNow;
    parts.onChange();
    if (isNow) events.node({ type: 'Normal', reason: 'Shutdown', message: 'Shutdown manager detected shutdown event' });
  }

  async function watch(signal: AbortSignal): Promise<void> {
    const seconds = Math.ceil(steps.reduce((sum, step) => sum + step.graceSeconds, 0));
    let release = await inhibitor.delay(seconds);
    try {
      for await (const isNow of inhibitor.watch(signal)) {
        say(isNow);
        if (isNow) await endGroups(signal);
        release();
        // Called off: the next one has to wait too.
        if (!isNow) release = await inhibitor.delay(seconds);
      }
    } finally {
      release();
    }
  }

  return {
    notReady: () => (isGoing ? 'node is shutting down' : undefined),
    refuses: () =>
      isGoing ? { reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' } : undefined,
    run: async (signal) => {
      if (steps.length === 0 || !(await inhibitor.isThere())) return;
      while (!signal.aborted) {
        await watch(signal).catch((err: unknown) => {
          if (!signal.aborted) log.warn({ err }, 'Shutdown of the machine could not be watched');
        });
        await clock.sleep(reconnectMs, signal).catch(() => {});
      }
    },
  };
}

const dropInDirectory = '/etc/systemd/logind.conf.d';
const match = "type='signal',interface='org.freedesktop.login1.Manager',member='PrepareForShutdown'";

async function* linesOf(child: ChildProcess): AsyncIterable<string> {
  if (child.stdout) yield* createInterface({ input: child.stdout });
}

/** Through systemd's own programs: they hold the lock, and read the bus, as children of ours. */
export const systemd: Inhibitor = {
  isThere: () =>
    stat('/run/systemd/system').then(
      () => true,
      () => false,
    ),
  delay: async (seconds) => {
    await mkdir(dropInDirectory, { recursive: true });
    await writeFile(`${dropInDirectory}/99-kubelet.conf`, delayDropIn(seconds));
    await run('systemctl', ['kill', '--signal=HUP', 'systemd-logind']);
    const why = 'Kubelet needs time to handle node shutdown';
    // `cat` ends with our end of the pipe, so that the lock never outlives us.
    const child = spawn(
      'systemd-inhibit',
      ['--what=shutdown', '--mode=delay', '--who=kubelet', `--why=${why}`, 'cat'],
      {
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    );
    await once(child, 'spawn');
    return () => child.stdin.end();
  },
  watch: async function* (signal) {
    const child = spawn('busctl', ['--system', '--json=short', 'monitor', `--match=${match}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      signal,
    });
    child.on('error', () => {});
    try {
      for await (const line of linesOf(child)) {
        const isNow = parsePrepareForShutdown(line);
        if (isNow !== undefined) yield isNow;
      }
    } finally {
      child.kill();
    }
  },
};
