// Certificate signing requests (PKCS #10): made by nodes, read by approvers, signed by the authority.
import { isIP } from 'node:net';
import type * as X509 from '@peculiar/x509';
import { canonicalIp } from '../../host/cidr.ts';
import {
  algorithm,
  createKey,
  cryptoKeys,
  extendedUse,
  type KeyPair,
  type Leaf,
  library,
  serialNumber,
} from './certificates.ts';

/** What a request asks for. */
export interface RequestFacts {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  /** Canonical. */
  readonly addresses: readonly string[];
  /** Mail addresses and URIs: no certificate of a node has them. */
  readonly others: readonly string[];
}

/** A key of its own, and the request that proves it. PEM texts. */
export async function createRequest(leaf: Omit<Leaf, 'use'>): Promise<{ key: string; request: string }> {
  const x509 = await library();
  const key = createKey();
  const names = leaf.names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value }));
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [...leaf.organizations.map((name) => ({ O: [name] })), { CN: [leaf.commonName] }],
    keys: await cryptoKeys(key),
    signingAlgorithm: algorithm,
    extensions: names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [],
  });
  return { key, request: `${request.toString('pem')}\n` };
}

/** Undefined for what is no request, and for one whose signature does not hold. */
export async function readRequest(pem: string): Promise<RequestFacts | undefined> {
  const x509 = await library();
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    if (!(await request.verify())) return undefined;
    const names = namesOf(x509, request)?.names.items ?? [];
    const of = (type: string): string[] => names.filter((one) => one.type === type).map(({ value }) => value);
    return {
      commonName: request.subjectName.getField('CN')[0] ?? '',
      organizations: request.subjectName.getField('O'),
      dnsNames: of('dns'),
      addresses: of('ip').map((one) => canonicalIp(one) ?? one),
      others: names.filter(({ type }) => type !== 'dns' && type !== 'ip').map(({ type, value }) => `${type}:${value}`),
    };
  } catch {
    return undefined;
  }
}

/** The library's requests know extensions by their OID alone. */
function namesOf(x509: typeof X509, request: X509.Pkcs10CertificateRequest) {
  const found = request.getExtension('2.5.29.17');
  return found instanceof x509.SubjectAlternativeNameExtension ? found : undefined;
}

export interface Signing {
  readonly use: Leaf['use'];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The certificate for a request that `readRequest` could read: its subject and names, our uses and times. */
export async function signRequest(
  ca: KeyPair,
  pem: string,
  { use, notBeforeMs, notAfterMs }: Signing,
): Promise<string> {
  const x509 = await library();
  const request = new x509.Pkcs10CertificateRequest(pem);
  const issuer = new x509.X509Certificate(ca.cert);
  const names = namesOf(x509, request);
  const publicKey = await request.publicKey.export();
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    issuer: issuer.subjectName.toJSON(),
    subject: request.subjectName.toJSON(),
    notBefore: new Date(notBeforeMs),
    // What outlives its authority would stop being believed all the same.
    notAfter: new Date(Math.min(notAfterMs, issuer.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey: (await cryptoKeys(ca.key)).privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([extendedUse[use]]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ...(names ? [names] : []),
    ],
  });
  return `${cert.toString('pem')}\n`;
}
