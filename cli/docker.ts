// A Docker Engine for `nodelet up`: the one that answers, else one started here that outlives us, as a service would.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../host/commands.ts';
import { ensureDirectory } from '../host/files.ts';

/** The socket that Docker serves when nobody says otherwise: only there do we start one. */
const usualSockets = ['/var/run/docker.sock', '/run/docker.sock'];
const startDeadlineMs = 60_000;

/** Resolves to what was done: "answers", or "started". Throws one clear line when no engine can be had. */
export async function ensureDocker(
  socket: string,
  dataDir: string,
  signal: AbortSignal,
): Promise<'answers' | 'started'> {
  if (await answers(socket)) return 'answers';
  if (!usualSockets.includes(socket)) throw new Error(`Docker does not answer on unix://${socket}`);
  if (existsSync('/run/systemd/system')) {
    await run('systemctl', ['start', 'docker'], { timeoutMs: startDeadlineMs, signal });
  } else {
    await startDockerd(join(dataDir, 'dockerd.log'), dataDir);
  }
  for (const end = Date.now() + startDeadlineMs; Date.now() < end; await sleep(50, undefined, { signal })) {
    if (await answers(socket)) return 'started';
  }
  throw new Error(`Docker does not answer on unix://${socket} ${startDeadlineMs / 1000} s after it was started`);
}

/** In a session of its own, so that Ctrl-C here does not take the pods' engine away. */
async function startDockerd(logPath: string, dataDir: string): Promise<void> {
  await ensureDirectory(dataDir, 0o750);
  const log = await open(logPath, 'a', 0o640);
  try {
    const daemon = spawn('dockerd', [], { detached: true, stdio: ['ignore', log.fd, log.fd] });
    await new Promise((resolve, reject) => {
      daemon.once('spawn', resolve);
      daemon.once('error', (cause) => reject(new Error(`Cannot start dockerd: ${cause.message}`, { cause })));
    });
    daemon.unref();
  } finally {
    await log.close();
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    const end = (answer: boolean): void => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(5000, () => end(false));
    connection.on('error', () => end(false));
    connection.on('data', (chunk) => end(chunk.toString('latin1').startsWith('HTTP/1.1 200')));
    connection.write('GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n');
  });
}
