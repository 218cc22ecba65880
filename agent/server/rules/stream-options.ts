// Which streams a caller of exec or attach wants, and which protocol version both sides speak.

export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** Undefined where nothing is asked for. With a tty there is no stderr of its own. */
export function parseStreamOptions(query: URLSearchParams): StreamOptions | undefined {
  const is = (name: string): boolean => query.get(name) === '1' || query.get(name) === 'true';
  const tty = is('tty');
  const options = { stdin: is('input'), stdout: is('output'), stderr: is('error') && !tty, tty };
  return options.stdin || options.stdout || options.stderr ? options : undefined;
}

export const nothingAskedFor = 'you must specify at least 1 of stdin, stdout, stderr';

/** Names offered in headers, "a, b" and repeated headers alike, in the caller's order. */
export function offeredProtocols(header: string | readonly string[] | undefined): readonly string[] {
  return [header ?? []]
    .flat()
    .flatMap((line) => line.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** The first of the caller's that we speak too. */
export function chooseProtocol(offered: readonly string[], spoken: readonly string[]): string | undefined {
  return offered.find((name) => spoken.includes(name));
}

/** "remotecommand" over SPDY. v5 adds a close signal that SPDY has already, so it exists over WebSockets only. */
export const spdyCommandProtocols = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const;

export const webSocketCommandProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

/** A terminal's size as the resize stream gives it; zero means "unknown" and changes nothing. */
export function parseSize(line: string): { columns: number; rows: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(line) as { Width?: unknown; Height?: unknown };
    const fits = (side: unknown): side is number =>
      typeof side === 'number' && Number.isInteger(side) && side > 0 && side < 65_536;
    return fits(Width) && fits(Height) ? { columns: Width, rows: Height } : undefined;
  } catch {
    return undefined;
  }
}
