// Whom to trust: cluster-info is read from a server that nobody has vouched for, and believed because the token signed it.
import { createHmac, timingSafeEqual, X509Certificate } from 'node:crypto';
import { parse } from 'yaml';
import { createApiClient } from '../../kube/client.ts';
import { configMaps } from '../../kube/resources.ts';
import { caHash } from '../token.ts';
import type { JoinConfig } from './flags.ts';

export interface Discovered {
  /** Where the cluster says that it is. */
  readonly server: string;
  readonly ca: string;
}

/** Reads cluster-info without trust, checks it, and reads it again from the server that it names. Throws one clear line. */
export async function discover(config: JoinConfig, signal: AbortSignal): Promise<Discovered> {
  const first = await readClusterInfo({ server: config.server, insecureSkipVerify: true }, signal);
  const kubeconfig = first['kubeconfig'] ?? '';
  if (!isSigned(kubeconfig, first[`jws-kubeconfig-${config.tokenId}`], config))
    throw new Error(`${config.server} does not know token "${config.tokenId}": it is wrong, or its time is over`);
  const found = clusterOf(kubeconfig);
  if (config.caHashes.length > 0 && !config.caHashes.includes(caHash(found.ca)))
    throw new Error(`the certificate authority of ${config.server} is ${caHash(found.ca)}, not the one that was given`);
  const second = await readClusterInfo({ server: config.server, ca: found.ca }, signal);
  if (second['kubeconfig'] !== kubeconfig)
    throw new Error(`${config.server} says something else over a trusted connection`);
  return found;
}

async function readClusterInfo(
  endpoint: { server: string; ca?: string; insecureSkipVerify?: boolean },
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const client = createApiClient(endpoint);
  try {
    const { data } = await client.get(configMaps, { namespace: 'kube-public', name: 'cluster-info' }, signal);
    return data ?? {};
  } catch (cause) {
    signal.throwIfAborted();
    throw new Error(`cannot read cluster-info from ${endpoint.server}: ${(cause as Error).message}`, { cause });
  } finally {
    await client.close();
  }
}

/** A detached JWS under HS256 (RFC 7515, appendix F). */
export function isSigned(
  text: string,
  jws: string | undefined,
  { tokenId, tokenSecret }: Pick<JoinConfig, 'tokenId' | 'tokenSecret'>,
): boolean {
  const [header = '', payload, signature = ''] = (jws ?? '').split('.');
  let claims: { alg?: string; kid?: string };
  try {
    claims = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as typeof claims;
  } catch {
    return false;
  }
  if (payload !== '' || claims.alg !== 'HS256' || claims.kid !== tokenId) return false;
  const wanted = createHmac('sha256', tokenSecret)
    .update(`${header}.${Buffer.from(text).toString('base64url')}`)
    .digest();
  const given = Buffer.from(signature, 'base64url');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function clusterOf(kubeconfig: string): Discovered {
  const { clusters } = parse(kubeconfig) as {
    clusters?: { cluster?: { server?: string; 'certificate-authority-data'?: string } }[];
  };
  const { server, 'certificate-authority-data': data } = clusters?.[0]?.cluster ?? {};
  const ca = Buffer.from(data ?? '', 'base64').toString('utf8');
  if (!server || !URL.canParse(server) || !ca.includes('BEGIN CERTIFICATE'))
    throw new Error('cluster-info names no server, or no certificate authority');
  return { server, ca: new X509Certificate(ca).toString() };
}
