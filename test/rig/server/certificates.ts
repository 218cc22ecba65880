// Certificates for tests of the kubelet API: an authority and leaves of it, made in memory.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
x509.cryptoProvider.set(webcrypto);

export interface Leaf {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly cert: string;
  /** `name` as RFC 4514: "CN=alice, O=devs, O=ops". */
  issue(name: string, facts?: { usage?: 'client' | 'server'; notAfter?: Date }): Promise<Leaf>;
}

async function pemKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

export async function createAuthority(name = 'CN=test-ca'): Promise<Authority> {
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  return {
    cert: ca.toString('pem'),
    async issue(subject, { usage = 'client', notAfter = new Date(Date.now() + 3_600_000) } = {}) {
      const own = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
      const leaf = await x509.X509CertificateGenerator.create({
        subject,
        issuer: ca.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        notBefore: new Date(Date.now() - 3_600_000),
        notAfter,
        extensions: [
          new x509.ExtendedKeyUsageExtension([usage === 'client' ? '1.3.6.1.5.5.7.3.2' : '1.3.6.1.5.5.7.3.1']),
          new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]),
        ],
      });
      return { cert: leaf.toString('pem'), key: await pemKey(own.privateKey) };
    },
  };
}
