// Makes the kernel forget flows, exactly those that lead nowhere.
import type { Family } from '../../host/cidr.ts';
import { CommandError, run } from '../../host/commands.ts';
import type { Frontend } from '../model.ts';
import { parseFlows, staleFlows } from './rules.ts';

export interface StaleFrontends {
  readonly family: Family;
  /** All frontends of connectionless protocols. */
  readonly frontends: readonly Frontend[];
  /** Those that were there before and are no more. */
  readonly gone: readonly Frontend[];
  readonly hostAddresses: ReadonlySet<string>;
}

const maxOutputBytes = 1024 ** 3;

/** Returns how many groups of flows were deleted. Throws `CommandError`. */
export async function cleanFlows(
  { family, frontends, gone, hostAddresses }: StaleFrontends,
  signal?: AbortSignal,
): Promise<number> {
  const options = { maxOutputBytes, ...(signal ? { signal } : {}) };
  const of = ['-f', family === 4 ? 'ipv4' : 'ipv6'];
  let deleted = 0;
  for (const protocol of new Set([...frontends, ...gone].map((one) => one.protocol))) {
    const { stdout } = await run('conntrack', ['-L', ...of, '-p', protocol], options);
    for (const flow of staleFlows(parseFlows(stdout), frontends, gone, hostAddresses)) {
      const exactly = [
        '--orig-dst',
        flow.destination,
        '--orig-port-dst',
        String(flow.port),
        '--reply-src',
        flow.replySource,
      ];
      await run('conntrack', ['-D', ...of, '-p', protocol, ...exactly], options).catch(unlessNone);
      deleted++;
    }
  }
  return deleted;
}

/** Flows end by themselves between our look and our act. */
function unlessNone(error: unknown): void {
  if (!(error instanceof CommandError && / 0 flow entries/.test(error.stderr))) throw error;
}
