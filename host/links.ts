// Links, addresses and routes through iproute2: whole batches in one process, answers as JSON, in any network namespace.
import { existsSync } from 'node:fs';
import { CommandError, run } from './commands.ts';

export type LinkFailure = 'Exists' | 'NotFound' | 'Failed';

/** A batch that stopped. Lines before `line` (1 is the first) have been done, those after it have not. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
  readonly reason: LinkFailure;
  readonly line: number | undefined;

  constructor(message: string, facts: { reason: LinkFailure; line?: number; cause?: unknown }) {
    super(message, { cause: facts.cause });
    this.reason = facts.reason;
    this.line = facts.line;
  }
}

export interface IpOptions {
  /** A network namespace by its path ("/proc/1/ns/net"). Default: that of this process. */
  readonly netns?: string;
  /** Of the routes that are shown: default 4. */
  readonly family?: 4 | 6;
  readonly signal?: AbortSignal;
}

/** `ip -j addr show`, as far as we read it. */
export interface LinkState {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address?: string;
  readonly master?: string;
  readonly addr_info?: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

/** `ip -j route show`, as far as we read it. The default route's `dst` is "default". */
export interface RouteState {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly protocol?: string;
}

/**
 * Runs lines of `ip` commands in order in one process and stops at the first that fails (`LinkError`). Each line that shows
 * something yields one list, in order. A process per batch, for `ip` remembers the indexes of names and would mistake a new
 * link for an old one of the same name if it stayed. Words are split at white space: callers give only names and addresses that they have checked.
 */
export async function ipBatch<T = LinkState>(lines: readonly string[], options: IpOptions = {}): Promise<T[][]> {
  const { netns, family, signal } = options;
  const ip = ['ip', '-json', ...(family ? [`-${family}`] : []), '-batch', '-'];
  const [file = 'ip', ...args] = netns === undefined ? ip : ['nsenter', `--net=${netns}`, '--', ...ip];
  try {
    const { stdout } = await run(file, args, { input: `${lines.join('\n')}\n`, ...(signal ? { signal } : {}) });
    return parseAnswers<T>(stdout);
  } catch (error) {
    throw error instanceof CommandError ? toLinkError(lines, error) : error;
  }
}

function parseAnswers<T>(stdout: string): T[][] {
  return stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as T[]);
}

function toLinkError(lines: readonly string[], error: CommandError): LinkError {
  const failed = Number(/Command failed -:(\d+)/.exec(error.stderr)?.[1]);
  const words = error.stderr.trim().split('\n')[0] || error.message;
  if (!Number.isInteger(failed)) return new LinkError(words, { reason: 'Failed', cause: error });
  const message = `Cannot run "ip ${lines[failed - 1]}": ${words}`;
  return new LinkError(message, { reason: reasonOf(words), line: failed, cause: error });
}

function reasonOf(words: string): LinkFailure {
  if (/File exists/.test(words)) return 'Exists';
  return /Cannot find device|does not exist|No such (device|process|file)|not found/.test(words)
    ? 'NotFound'
    : 'Failed';
}

/** Whether this process's own network namespace has a link of that name. No process is started. */
export function linkExists(name: string): boolean {
  // Network sysctls are those of the reader's namespace, while /sys/class/net shows that of whoever mounted /sys.
  return existsSync(`/proc/sys/net/ipv4/conf/${name}`);
}

/** Removes a link of this process's namespace; gone already is what was wanted. */
export async function removeLink(name: string, signal?: AbortSignal): Promise<void> {
  if (!linkExists(name)) return;
  try {
    await ipBatch([`link delete dev ${name}`], signal ? { signal } : {});
  } catch (error) {
    if (!(error instanceof LinkError && error.reason === 'NotFound')) throw error;
  }
}
