// HTTP probes: what is asked, where a redirect may lead, and what an answer means.
import type { Finding } from '../model.ts';
import { joinHostPort } from './go-text.ts';

export interface HttpAction {
  readonly scheme?: string;
  readonly path?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}

/** The path may carry a query; it is not resolved against anything, so "//x" stays on the host. */
export function probeUrl({ scheme = 'HTTP', path = '/' }: HttpAction, host: string, port: number): URL {
  const rooted = path.startsWith('/') ? path : `/${path}`;
  return new URL(`${scheme.toLowerCase()}://${joinHostPort(host, port)}${rooted}`);
}

const defaults: readonly (readonly [string, string])[] = [
  ['User-Agent', 'kube-probe/1.36'],
  ['Accept', '*/*'],
];

/**
 * Names and values in turn, "Host" first. The spec's headers are sent as given, repeated ones too; a default that the
 * spec gives an empty value is not sent at all.
 */
export function probeHeaders({ httpHeaders = [] }: HttpAction, url: URL): string[] {
  const isNamed = (name: string) => (header: { name: string }) => header.name.toLowerCase() === name.toLowerCase();
  const host = httpHeaders.findLast(isNamed('host'))?.value || url.host;
  const added = defaults.filter(([name]) => !httpHeaders.some(isNamed(name)));
  const given = httpHeaders.filter(
    (header) => !isNamed('host')(header) && (header.value !== '' || !defaults.some(([name]) => isNamed(name)(header))),
  );
  return ['Host', host, ...given.flatMap(({ name, value }) => [name, value]), ...added.flat()];
}

const redirects = new Set([301, 302, 303, 307, 308]);
const mostRedirects = 10;

export type Onward =
  | { readonly to: URL; readonly keepsHost: boolean }
  | { readonly stop: 'answer' }
  | { readonly stop: 'tooMany' };

/** Redirects are followed on the same host only, ten times. A relative one keeps the Host header. */
export function followRedirect(
  first: URL,
  from: URL,
  status: number,
  location: string | undefined,
  hops: number,
): Onward {
  if (!redirects.has(status) || location === undefined || !URL.canParse(location, from.href)) return { stop: 'answer' };
  const to = new URL(location, from);
  if (to.hostname !== first.hostname || !/^https?:$/.test(to.protocol)) return { stop: 'answer' };
  if (hops >= mostRedirects) return { stop: 'tooMany' };
  return { to, keepsHost: !URL.canParse(location) };
}

export function judgeAnswer(status: number, body: string): Finding {
  if (status >= 200 && status < 300) return { result: 'success', output: body };
  if (status >= 300 && status < 400)
    return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
  return { result: 'failure', output: `HTTP probe failed with statuscode: ${status}` };
}
