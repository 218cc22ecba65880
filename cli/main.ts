// The `nodelet` command: what a person types. Each verb lives in a file of its own and is loaded when it is asked for.
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { createLog, type LogLevel } from '../host/log.ts';
import { nameProcess, openServiceManager } from '../host/service-manager.ts';
import { type JoinFlags, joinFlagTable, parseJoinFlags } from './join/flags.ts';
import { joinCluster } from './join.ts';
import { adminKubeconfig } from './layout.ts';
import { ExitError, runUntilSignal } from './lifecycle.ts';
import { resetMachine } from './reset.ts';
import { printStatus } from './status.ts';
import { type CreateFlags, createToken, deleteToken, listTokens } from './token.ts';
import { up } from './up.ts';
import { parseUpFlags, type UpFlags, upFlagTable } from './up-flags.ts';

const logLevels = ['debug', 'info', 'warn', 'error'];

function program(): Command {
  const nodelet = new Command('nodelet')
    .description('A Kubernetes node: kubelet on Docker Engine, service proxy on iptables, and a small control plane')
    .exitOverride()
    .showHelpAfterError(false)
    .enablePositionalOptions();

  const upCommand = nodelet.command('up').description('run control plane, agent and proxy in one foreground process');
  for (const { flag, text, fallback } of upFlagTable) upCommand.option(flag, text, fallback);
  upCommand.option('--log-level <level>', `one of ${logLevels.join(', ')}`, logLevel, 'warn');
  upCommand.action((flags: UpFlags & { logLevel: LogLevel }) =>
    runUntilSignal((signal) => up(parseUpFlags(flags), flags.logLevel, signal)),
  );

  const resetCommand = nodelet
    .command('reset')
    .description('stop the pods of an instance and remove all that it left on the machine');
  for (const { flag, text, fallback } of upFlagTable) {
    if (/--(data-dir|docker-host|node-name)/.test(flag)) resetCommand.option(flag, text, fallback);
  }
  resetCommand.action((flags: UpFlags) => runUntilSignal((signal) => resetMachine(parseUpFlags(flags), signal)));

  nodelet
    .command('status')
    .description('what works on this machine, and what to do about the rest')
    .option('--docker-host <unix://path>', 'the Docker Engine in use', 'unix:///var/run/docker.sock')
    .action((flags: { dockerHost: string }) => runUntilSignal((signal) => printStatus(flags, signal)));
  tokens(nodelet);
  const joinCommand = nodelet.command('join').description('make this machine a node of a cluster').argument('<server>');
  for (const { flag, text, fallback } of joinFlagTable) joinCommand.option(flag, text, fallback);
  joinCommand.action((server: string, flags: JoinFlags) =>
    runUntilSignal((signal) => joinCluster(parseJoinFlags(server, flags), signal)),
  );

  parts(nodelet);
  return nodelet;
}

/** The tokens by which machines join. */
function tokens(nodelet: Command): void {
  const token = nodelet.command('token').description('the tokens by which machines join');
  const kubeconfig = ['--kubeconfig <path>', 'who asks', process.env['KUBECONFIG'] ?? adminKubeconfig] as const;
  token
    .command('create')
    .description('make a token, and print it')
    .argument('[token]', 'a token of your own (default: a random one)')
    .option(...kubeconfig)
    .option('--ttl <time>', 'how long it lives, 0 for ever', '24h')
    .option('--description <text>', 'what it is for')
    .option('--print-join-command', 'print the line that makes a machine a node')
    .action((given: string | undefined, flags: CreateFlags) =>
      runUntilSignal((signal) => createToken(given, flags, signal)),
    );
  token
    .command('list')
    .description('print all tokens')
    .option(...kubeconfig)
    .action((flags: { kubeconfig: string }) => runUntilSignal((signal) => listTokens(flags, signal)));
  token
    .command('delete')
    .description('end a token before its time')
    .argument('<token>', 'the token, or its first 6 characters')
    .option(...kubeconfig)
    .action((given: string, flags: { kubeconfig: string }) =>
      runUntilSignal((signal) => deleteToken(given, flags, signal)),
    );
}

/** Each part alone, with the flags of its upstream counterpart: they are parsed by the part itself. */
function parts(nodelet: Command): void {
  const part = (name: string, text: string, start: (args: string[], signal: AbortSignal) => Promise<void>): void => {
    nodelet
      .command(name)
      .description(text)
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .passThroughOptions()
      .argument('[flags...]')
      .action((args: string[]) => runUntilSignal((signal) => start(args, signal)));
  };
  part('kubelet', 'run the agent alone', async (args, signal) => {
    nameProcess('kubelet');
    const { parseAgentConfig } = await import('../agent/config/flags.ts');
    const { startAgent } = await import('../agent/main.ts');
    const config = await parseAgentConfig(args);
    await untilStopped(() => startAgent(config, { log: createLog('kubelet'), signal }), signal);
  });
  part('proxy', 'run the service proxy alone', async (args, signal) => {
    nameProcess('kube-proxy');
    const { parseProxyConfig } = await import('../proxy/config/flags.ts');
    const { cleanUp, startProxy } = await import('../proxy/main.ts');
    const config = await parseProxyConfig(args);
    if (config.cleanup) return cleanUp(config, { log: createLog('kube-proxy'), signal });
    await untilStopped(() => startProxy(config, { log: createLog('kube-proxy'), signal }), signal);
  });
  part('dns', 'run the cluster DNS server alone', async (args, signal) => {
    const { parseDnsConfig } = await import('../controlplane/dns/flags.ts');
    const { startDns } = await import('../controlplane/dns/main.ts');
    const config = parseDnsConfig(args);
    await untilStopped(() => startDns(config, { log: createLog('dns'), signal }), signal);
  });
  part('controlplane', 'run the control plane alone', async (args, signal) => {
    const { parseControlPlaneConfig } = await import('../controlplane/config/flags.ts');
    const { startControlPlane } = await import('../controlplane/main.ts');
    const { withFlagFile } = await import('./flag-file.ts');
    const config = parseControlPlaneConfig(await withFlagFile(args));
    await untilStopped(() => startControlPlane(config, { log: createLog('controlplane'), signal }), signal);
  });
}

async function untilStopped(start: () => Promise<{ stop(): Promise<void> }>, signal: AbortSignal): Promise<void> {
  const manager = openServiceManager();
  const running = await start();
  await manager.ready();
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  await manager.stopping();
  await running.stop();
}

function logLevel(text: string): string {
  if (!logLevels.includes(text)) throw new InvalidArgumentError(`want one of ${logLevels.join(', ')}`);
  return text;
}

/** A function, because a bundle of the CommonJS kind cannot wait at its top. */
async function main(): Promise<void> {
  try {
    await program().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof ExitError) process.exitCode = error.code;
    else throw error;
  }
}

void main();
