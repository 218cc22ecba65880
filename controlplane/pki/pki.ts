// The cluster's certificates on disk: made once, read again, replaced when they will not do any more. Files 0600, directory 0700.
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { canonicalIp } from '../../host/cidr.ts';
import type { Clock } from '../../host/clock.ts';
import { ensureDirectory, readIfExists, writeFileAtomic } from '../../host/files.ts';
import type { Log } from '../../host/log.ts';
import { createAuthority, createKey, createLeaf, type KeyPair, type Leaf } from './certificates.ts';
import { type CertificateFacts, whyIssue } from './rules.ts';

export type { KeyPair } from './certificates.ts';

export interface Pki {
  readonly directory: string;
  readonly ca: KeyPair;
  readonly clock: Clock;
  readonly log: Log;
}

/** Certificates that cannot be used; the message names the file and what to do. */
export class PkiError extends Error {
  override readonly name = 'PkiError';
}

/** Opens the authority below `directory`, or founds it. Throws `PkiError` where its key is missing: another one would disown every client. */
export async function openPki(directory: string, { clock, log }: { clock: Clock; log: Log }): Promise<Pki> {
  await ensureDirectory(directory, 0o700);
  const file = join(directory, 'ca.crt');
  const cert = await readIfExists(file);
  const key = await readIfExists(join(directory, 'ca.key'));
  if (cert !== undefined) {
    if (key === undefined || !fits(file, cert, key)) {
      throw new PkiError(`Cannot use "${file}": "${join(directory, 'ca.key')}" is not its key`);
    }
    return { directory, ca: { cert, key }, clock, log };
  }
  const ca = await createAuthority('nodelet-ca', clock.now());
  // The certificate comes last: without it the key has signed nothing yet.
  await writeFileAtomic(join(directory, 'ca.key'), ca.key);
  await writeFileAtomic(file, ca.cert);
  log.info({ file }, 'Certificate authority created');
  return { directory, ca, clock, log };
}

/** The files are `<name>.crt` and `<name>.key` below the directory. */
async function ensureLeaf(pki: Pki, name: string, leaf: Leaf): Promise<KeyPair> {
  const file = join(pki.directory, `${name}.crt`);
  const cert = await readIfExists(file);
  const key = await readIfExists(join(pki.directory, `${name}.key`));
  const found = cert !== undefined && key !== undefined ? { cert, key } : undefined;
  const wish = { names: leaf.names.map(canonicalName), subject: subjectOf(leaf) };
  const because = whyIssue(found && factsOf(file, found, pki.ca), wish, pki.clock.now());
  if (found && because === undefined) return found;
  const fresh = await createLeaf(pki.ca, leaf, pki.clock.now());
  await writeFileAtomic(join(pki.directory, `${name}.key`), fresh.key);
  await writeFileAtomic(file, fresh.cert);
  pki.log.info({ file, because }, 'Certificate issued');
  return fresh;
}

export interface ClientIdentity {
  /** What the files are called. */
  readonly name: string;
  readonly user: string;
  readonly groups?: readonly string[];
}

/** A certificate by which a client is known to the API server: CN is the user, O are the groups. */
export function issueClientCertificate(pki: Pki, { name, user, groups = [] }: ClientIdentity): Promise<KeyPair> {
  return ensureLeaf(pki, name, { commonName: user, organizations: groups, names: [], use: 'client' });
}

export interface ServerIdentity {
  readonly name: string;
  readonly commonName: string;
  readonly groups?: readonly string[];
  /** Host names and addresses that clients use. */
  readonly names: readonly string[];
}

export function issueServingCertificate(pki: Pki, identity: ServerIdentity): Promise<KeyPair> {
  const { name, commonName, groups = [], names } = identity;
  return ensureLeaf(pki, name, { commonName, organizations: groups, names: [...new Set(names)], use: 'server' });
}

/** The key that signs service account tokens, and its public half. Kept for ever: pods hold tokens signed by it. */
export async function serviceAccountKeys(pki: Pki): Promise<{ signingKeyPem: string; publicKeyPem: string }> {
  const file = join(pki.directory, 'sa.key');
  let signingKeyPem = await readIfExists(file);
  if (signingKeyPem === undefined) {
    signingKeyPem = createKey();
    await writeFileAtomic(file, signingKeyPem);
  }
  const publicKeyPem = createPublicKey(signingKeyPem).export({ type: 'spki', format: 'pem' }).toString();
  return { signingKeyPem, publicKeyPem };
}

function parse(file: string, cert: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch (cause) {
    throw new PkiError(`Cannot use "${file}": it is not a certificate`, { cause });
  }
}

function fits(file: string, cert: string, key: string): boolean {
  const certificate = parse(file, cert);
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Undefined where the file holds no certificate: a leaf is made again without a question. */
function factsOf(file: string, { cert, key }: KeyPair, ca: KeyPair): CertificateFacts | undefined {
  let found: X509Certificate;
  try {
    found = parse(file, cert);
  } catch {
    return undefined;
  }
  return {
    notAfterMs: Date.parse(found.validTo),
    names: (found.subjectAltName ?? '').split(', ').map((one) => canonicalName(one.replace(/^(DNS|IP Address):/, ''))),
    subject: found.subject.split('\n').sort().join('\n'),
    signedByCa: found.verify(new X509Certificate(ca.cert).publicKey),
    keyFits: fits(file, cert, key),
  };
}

const canonicalName = (name: string): string => canonicalIp(name) ?? name;

/** As node:crypto prints a subject, one part a line, sorted. */
function subjectOf({ commonName, organizations }: Leaf): string {
  return [...organizations.map((name) => `O=${name}`), `CN=${commonName}`].sort().join('\n');
}
