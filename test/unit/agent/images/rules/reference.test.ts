// Image references, and which credentials they get.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialsFor, keyringsOf } from '../../../../../agent/images/rules/credentials.ts';
import { parseReference } from '../../../../../agent/images/rules/reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;
for (const [text, wanted] of [
  ['busybox', { full: 'busybox:latest', registry: 'docker.io', path: 'library/busybox' }],
  ['busybox:1.36', { full: 'busybox:1.36', registry: 'docker.io', path: 'library/busybox' }],
  ['a/b', { full: 'a/b:latest', registry: 'docker.io', path: 'a/b' }],
  ['localhost:5000/a', { full: 'localhost:5000/a:latest', registry: 'localhost:5000', path: 'a' }],
  ['ghcr.io/a/b:v1', { full: 'ghcr.io/a/b:v1', registry: 'ghcr.io', path: 'a/b' }],
  [`a/b@${digest}`, { full: `a/b@${digest}`, registry: 'docker.io', path: 'a/b' }],
  ['', undefined],
  ['Bad Image', undefined],
  ['a//b', undefined],
  ['a:b:c', undefined],
  ['a\0b', undefined],
  ['-a', undefined],
  ['a@sha256:short', undefined],
] as const) {
  test(`${JSON.stringify(text)} is ${wanted ? wanted.full : 'no reference'}`, () => {
    assert.deepEqual(parseReference(text), wanted);
  });
}

test('a hostile name is refused in no time', () => {
  const startedAt = performance.now();
  assert.equal(parseReference(`${'a-'.repeat(2000)}!`), undefined);
  assert.ok(performance.now() - startedAt < 1000);
});

test('credentials go to their registry only, the most particular first', () => {
  const auth = (user: string) => ({ auth: Buffer.from(`${user}:secret`).toString('base64') });
  const keyrings = keyringsOf(
    JSON.stringify({
      auths: {
        'https://index.docker.io/v1/': auth('hub'),
        'ghcr.io': auth('whole'),
        'ghcr.io/team': auth('team'),
        '*.foo.io': auth('star'),
        'foo.io:5000': auth('port'),
      },
    }),
  );
  const users = (image: string): string[] => {
    const reference = parseReference(image);
    return reference ? credentialsFor(reference, keyrings).map(({ username }) => username) : [];
  };
  assert.deepEqual(users('busybox'), ['hub']);
  assert.deepEqual(users('ghcr.io/team/app'), ['team', 'whole']);
  assert.deepEqual(users('ghcr.io/teammate/app'), ['whole']);
  assert.deepEqual(users('a.foo.io/x'), ['star']);
  assert.deepEqual(users('a.b.foo.io/x'), []);
  assert.deepEqual(users('foo.io/x'), []);
  assert.deepEqual(users('foo.io:5000/x'), ['port']);
});

test('a docker config that is none gives nothing', () => {
  for (const text of ['', '{', '[]', 'null', '{"auths": 3}', '{"auths": {"a": null}}'])
    assert.deepEqual(keyringsOf(text), []);
});
