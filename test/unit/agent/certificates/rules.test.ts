// When a certificate will do, and what the cluster says of a request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renewalMs, requestName, verdictOf, whyNotNow } from '../../../../agent/certificates/rules.ts';

const day = 24 * 3600_000;
const year = { notBeforeMs: 0, notAfterMs: 100 * day };

test('a certificate out of its time is told apart from a clock that is wrong', () => {
  assert.equal(whyNotNow(year, day), undefined);
  assert.equal(
    whyNotNow(year, 101 * day),
    "it ended at 1970-04-11T00:00:00Z, and this host's clock says 1970-04-12T00:00:00Z",
  );
  assert.equal(
    whyNotNow(year, -day),
    "it begins at 1970-01-01T00:00:00Z, but this host's clock says 1969-12-31T00:00:00Z: one of the clocks is wrong",
  );
});

test('renewal falls between 70 and 90 % of the life', () => {
  assert.deepEqual(
    [0, 0.5, 1].map((chance) => Math.round(renewalMs(year, chance) / day)),
    [70, 80, 90],
  );
});

test('the same key asks under the same name, another wish under another', () => {
  const wish = { signer: 'kubernetes.io/kube-apiserver-client-kubelet', nodeName: 'n1', names: [] } as const;
  const key = new Uint8Array([1, 2, 3]);
  assert.equal(requestName(wish, key), requestName({ ...wish }, key));
  assert.notEqual(requestName(wish, key), requestName({ ...wish, nodeName: 'n2' }, key));
});

for (const [name, status, verdict] of [
  ['nobody has looked', {}, { is: 'waiting', for: 'approval' }],
  ['approved', { conditions: [{ type: 'Approved' }] }, { is: 'waiting', for: 'signature' }],
  [
    'issued',
    { conditions: [{ type: 'Approved' }], certificate: Buffer.from('PEM').toString('base64') },
    { is: 'issued', cert: 'PEM' },
  ],
  ['denied', { conditions: [{ type: 'Denied', message: 'no' }] }, { is: 'refused', because: 'Denied: no' }],
] as const) {
  test(`a request: ${name}`, () => assert.deepEqual(verdictOf(status), verdict));
}
