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

export const spdyForwardProtocols = ['portforward.k8s.io'] as const;
/** The older ones name their ports in the query and carry two channels for each. */
export const channelForwardProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'] as const;
/** SPDY frames inside binary messages (KEP-4006). */
export const tunnelForwardProtocol = 'SPDY/3.1+portforward.k8s.io';

/** A port as headers and queries write it: 1 to 65535, no sign, no space. */
export function parsePort(text: string | undefined): number | undefined {
  const port = Number(text);
  return text !== undefined && /^[1-9]\d{0,4}$/.test(text) && port < 65_536 ? port : undefined;
}

/** `port=8080,9090&port=7070`; undefined where there is none, or one that is no port. */
export function parsePorts(query: URLSearchParams): readonly number[] | undefined {
  const ports: number[] = [];
  for (const text of query.getAll('port').flatMap((value) => value.split(','))) {
    const port = parsePort(text);
    if (port === undefined) return undefined;
    ports.push(port);
  }
  return ports.length > 0 && ports.length <= maxPorts ? ports : undefined;
}

/** Two channels for each in one byte. */
const maxPorts = 120;

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
