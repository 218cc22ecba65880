// Joining: which flags are believed, which signature is, and how an authority is pinned.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSigned } from '../../../cli/join/discovery.ts';
import { type JoinFlags, parseJoinFlags } from '../../../cli/join/flags.ts';
import { renderTokens } from '../../../cli/token.ts';
import { signatureOf } from '../../../controlplane/controllers/rules/bootstrap.ts';
import type { Secret } from '../../../kube/types.ts';

const flags: JoinFlags = {
  token: 'abcdef.0123456789abcdef',
  discoveryTokenUnsafeSkipCaVerification: true,
  dockerHost: 'unix:///var/run/docker.sock',
  clusterCidr: '10.244.0.0/16',
  nodeName: 'Node1',
  nodeIp: '10.0.0.2',
};

test('flags become what join works with', () => {
  assert.deepEqual(parseJoinFlags('https://10.0.0.1:6443/', flags), {
    server: 'https://10.0.0.1:6443',
    tokenId: 'abcdef',
    tokenSecret: '0123456789abcdef',
    caHashes: [],
    nodeName: 'node1',
    nodeIp: '10.0.0.2',
    dockerHost: 'unix:///var/run/docker.sock',
    clusterCidr: '10.244.0.0/16',
    clusterDns: undefined,
  });
});

test('a flag that cannot be used is named', () => {
  const cases: [string, Partial<JoinFlags>, RegExp][] = [
    ['http://10.0.0.1:6443', {}, /^server "http:/],
    ['https://10.0.0.1:6443', { token: 'short' }, /^--token "short"/],
    [
      'https://10.0.0.1:6443',
      { discoveryTokenCaCertHash: ['sha256:12'] },
      /^--discovery-token-ca-cert-hash "sha256:12"/,
    ],
    [
      'https://10.0.0.1:6443',
      { discoveryTokenUnsafeSkipCaVerification: false },
      /^--discovery-token-ca-cert-hash is needed/,
    ],
    ['https://10.0.0.1:6443', { nodeIp: 'here' }, /^--node-ip "here"/],
    ['https://10.0.0.1:6443', { dockerHost: 'tcp://x' }, /^--docker-host "tcp:/],
  ];
  for (const [server, change, message] of cases)
    assert.throws(() => parseJoinFlags(server, { ...flags, ...change }), { name: 'ConfigError', message });
});

test('what the control plane signs is believed by the token, and by nothing else', () => {
  const token = { tokenId: 'abcdef', tokenSecret: '0123456789abcdef' };
  const jws = signatureOf('kubeconfig', token.tokenId, token.tokenSecret);
  const unsigned = `${Buffer.from('{"alg":"none","kid":"abcdef"}').toString('base64url')}..`;
  const verdicts = [
    isSigned('kubeconfig', jws, token),
    isSigned('another kubeconfig', jws, token),
    isSigned('kubeconfig', jws, { ...token, tokenSecret: '0123456789abcdee' }),
    isSigned('kubeconfig', jws, { ...token, tokenId: 'abcdeg' }),
    isSigned('kubeconfig', unsigned, token),
    isSigned('kubeconfig', undefined, token),
  ];
  assert.deepEqual(verdicts, [true, false, false, false, false, false]);
});

test('tokens are listed as kubeadm lists them', () => {
  const data = Object.fromEntries(
    Object.entries({
      'token-id': 'abcdef',
      'token-secret': '0123456789abcdef',
      expiration: '2026-01-02T00:00:00Z',
      'usage-bootstrap-signing': 'true',
    }).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
  const token = { apiVersion: 'v1', kind: 'Secret', metadata: {}, data } as unknown as Secret;
  assert.equal(
    renderTokens([token], Date.parse('2026-01-01T00:00:00Z')),
    [
      'TOKEN                     TTL   EXPIRES                USAGES    DESCRIPTION   EXTRA GROUPS',
      'abcdef.0123456789abcdef   24h   2026-01-02T00:00:00Z   signing   <none>        <none>',
    ].join('\n'),
  );
});
