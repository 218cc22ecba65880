// Certificates that TLS itself believes, kept until they will not do any more.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import {
  issueClientCertificate,
  issueServingCertificate,
  openPki,
  PkiError,
  serviceAccountKeys,
} from '../../../../controlplane/pki/pki.ts';
import { type CertificateFacts, whyIssue } from '../../../../controlplane/pki/rules.ts';
import { type Clock, systemClock } from '../../../../host/clock.ts';
import { silentLog as log } from '../../../../host/log.ts';

const dayMs = 24 * 3600 * 1000;
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodelet-pki-'));
});
afterEach(() => rm(directory, { recursive: true }));

const later = (days: number): Clock => ({ ...systemClock, now: () => Date.now() + days * dayMs });
const names = ['localhost', '127.0.0.1', '10.96.0.1', 'kubernetes.default.svc'];
const api = { name: 'apiserver', commonName: 'kube-apiserver', names };
const admin = { name: 'admin', user: 'kubernetes-admin', groups: ['system:masters', 'second'] };

test('a client and a server of the same authority believe each other, and the server learns user and groups', async () => {
  const pki = await openPki(directory, { clock: systemClock, log });
  const serving = await issueServingCertificate(pki, api);
  const client = await issueClientCertificate(pki, admin);
  const seen = Promise.withResolvers<unknown>();
  const server = createServer(
    { ...serving, ca: pki.ca.cert, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      seen.resolve(socket.getPeerCertificate().subject);
      socket.on('error', () => {}).end();
    },
  );
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: pki.ca.cert, ...client });
  try {
    assert.deepEqual(
      { ...((await seen.promise) as object) },
      { O: ['system:masters', 'second'], CN: 'kubernetes-admin' },
    );
    assert.equal(socket.authorized, true);
  } finally {
    socket.destroy();
    server.close();
  }
});

test('what is on disk is used again, with modes that keep others out', async () => {
  const open = () => openPki(directory, { clock: systemClock, log });
  const first = await issueServingCertificate(await open(), api);
  const keys = await serviceAccountKeys(await open());
  assert.deepEqual(await issueServingCertificate(await open(), api), first);
  assert.deepEqual(await serviceAccountKeys(await open()), keys);
  for (const file of await readdir(directory)) {
    assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600, file);
  }
  assert.equal((await readdir(directory)).sort().join(' '), 'apiserver.crt apiserver.key ca.crt ca.key sa.key');
});

test('the authority lives ten years, a leaf one, and never longer than its authority', async () => {
  const pki = await openPki(directory, { clock: systemClock, log });
  const days = (pem: string): number => Math.round((Date.parse(new X509Certificate(pem).validTo) - Date.now()) / dayMs);
  assert.equal(days(pki.ca.cert), 3650);
  assert.equal(days((await issueServingCertificate(pki, api)).cert), 365);
  const old = await openPki(directory, { clock: later(3500), log });
  assert.equal(days((await issueClientCertificate(old, admin)).cert), 3650);
});

test('a certificate is made anew for another address, near its end, and when its key is lost', async () => {
  const pki = await openPki(directory, { clock: systemClock, log });
  const first = await issueServingCertificate(pki, api);
  const moved = await issueServingCertificate(pki, { ...api, names: [...names, '192.168.1.10', 'fd00::1'] });
  assert.notEqual(moved.cert, first.cert);
  assert.equal((await issueServingCertificate(pki, api)).cert, moved.cert);
  const near = await issueServingCertificate({ ...pki, clock: later(340) }, api);
  assert.notEqual(near.cert, moved.cert);
  await writeFile(join(directory, 'apiserver.key'), 'torn');
  assert.notEqual((await issueServingCertificate(pki, api)).cert, near.cert);
});

test('an authority without its key is an error, not a second authority', async () => {
  await openPki(directory, { clock: systemClock, log });
  await rm(join(directory, 'ca.key'));
  await assert.rejects(openPki(directory, { clock: systemClock, log }), PkiError);
});

const found: CertificateFacts = {
  notAfterMs: 100 * dayMs,
  names: ['a', '10.0.0.1'],
  subject: 'CN=x',
  signedByCa: true,
  keyFits: true,
};
const wish = { names: ['a'], subject: 'CN=x' };
const reasons: [string, CertificateFacts | undefined, typeof wish, string | undefined][] = [
  ['is missing', undefined, wish, 'there is none yet'],
  ['is good', found, wish, undefined],
  ['has a foreign key', { ...found, keyFits: false }, wish, 'its key is another one'],
  ['has a foreign authority', { ...found, signedByCa: false }, wish, 'it is signed by another authority'],
  ['is for somebody else', found, { ...wish, subject: 'CN=y' }, 'it is for another subject'],
  ['lacks a name', found, { ...wish, names: ['b'] }, 'it does not name every address'],
  ['ends soon', { ...found, notAfterMs: 29 * dayMs }, wish, 'it ends within 30 days'],
];
for (const [what, facts, wanted, because] of reasons) {
  test(`a certificate that ${what}: ${because ?? 'is kept'}`, () => assert.equal(whyIssue(facts, wanted, 0), because));
}
