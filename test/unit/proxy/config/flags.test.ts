// The proxy's flags and file: what they become, and what is said of those that cannot be.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseProxyConfig } from '../../../../proxy/config/flags.ts';

const given = ['--kubeconfig', '/k', '--hostname-override=Node-1'];

test('defaults are kube-proxy’s', async () => {
  const { source, ...config } = await parseProxyConfig(given);
  assert.deepEqual(config, {
    kubeconfig: '/k',
    nodeName: 'node-1',
    backend: 'auto',
    detectLocal: { mode: 'ClusterCIDR', cidrs: [] },
    masqueradeAll: false,
    masqueradeBit: 14,
    localhostNodePorts: true,
    nodePortAddresses: 'all',
    syncPeriodMs: 30_000,
    minSyncPeriodMs: 0,
    healthz: { host: '0.0.0.0', port: 10_256 },
    metrics: { host: '127.0.0.1', port: 10_249 },
    bindAddressHardFail: false,
    conntrack: {
      maxPerCore: 32_768,
      min: 131_072,
      tcpEstablishedSeconds: 86_400,
      tcpCloseWaitSeconds: 3600,
      udpSeconds: undefined,
      udpStreamSeconds: undefined,
      tcpBeLiberal: false,
    },
    logLevel: 'info',
    cleanup: false,
  });
  assert.equal(source['kind'], 'KubeProxyConfiguration');
});

test('flags become fields', async () => {
  const flags = [
    '--masquerade-all',
    '--iptables-masquerade-bit=20',
    '--v=4',
    '--nodeport-addresses',
    '10.0.0.0/8, fd00::/8',
  ];
  const more = [
    '--detect-local-mode=BridgeInterface',
    '--pod-bridge-interface=cni0',
    '--healthz-bind-address=[::1]:99',
  ];
  const config = await parseProxyConfig([
    ...given,
    ...flags,
    ...more,
    '--metrics-bind-address=',
    '--iptables-min-sync-period=1m30s',
  ]);
  assert.equal(config.masqueradeAll, true);
  assert.equal(config.masqueradeBit, 20);
  assert.equal(config.logLevel, 'debug');
  assert.deepEqual(config.nodePortAddresses, ['10.0.0.0/8', 'fd00::/8']);
  assert.deepEqual(config.detectLocal, { mode: 'BridgeInterface', name: 'cni0' });
  assert.deepEqual(config.healthz, { host: '::1', port: 99 });
  assert.equal(config.metrics, undefined);
  assert.equal(config.minSyncPeriodMs, 90_000);
});

const refusals: readonly [flags: string[], message: RegExp][] = [
  [['--nope'], /Unknown flag "--nope"/],
  [['--cluster-cidr=10.0.0.0'], /--cluster-cidr: "10\.0\.0\.0" cannot be used: want CIDR blocks/],
  [['--iptables-masquerade-bit=32'], /--iptables-masquerade-bit: 32 cannot be used: want a bit from 0 to 31/],
  [['--iptables-masquerade-bit=x'], /--iptables-masquerade-bit "x" cannot be used: want a number/],
  [['--masquerade-all=maybe'], /--masquerade-all "maybe" cannot be used: want true or false/],
  [['--proxy-mode=ipvs'], /--proxy-mode: "ipvs" cannot be used: want iptables/],
  [['--iptables-sync-period=soon'], /--iptables-sync-period: "soon" cannot be used: want a duration/],
  [['--detect-local-mode=BridgeInterface'], /--pod-bridge-interface is needed/],
  [['--pod-bridge-interface=a b'], /--pod-bridge-interface: "a b" cannot be used/],
  [['--iptables-backend=ebtables'], /--iptables-backend "ebtables" cannot be used: want auto, nft or legacy/],
  [['--config=/nowhere'], /Cannot read --config "\/nowhere"/],
];

for (const [flags, message] of refusals)
  test(`${flags.join(' ')} is refused by name`, async () => {
    await assert.rejects(parseProxyConfig([...given, ...flags]), { name: 'ConfigError', message });
  });

test('a kubeconfig is needed, but not to clean up', async () => {
  await assert.rejects(parseProxyConfig([]), /--kubeconfig is needed/);
  assert.equal((await parseProxyConfig(['--cleanup'])).cleanup, true);
});

test('a file as kubeadm writes it is understood, an unknown field in it is named', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nodelet-proxy-'));
  const file = join(directory, 'config.conf');
  const text = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 0.0.0.0
clientConnection: {acceptContentTypes: "", burst: 0, contentType: "", kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 0}
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack: {maxPerCore: null, min: null, tcpCloseWaitTimeout: null, tcpEstablishedTimeout: null}
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false}
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}}, verbosity: 0}
metricsBindAddress: ""
mode: ""
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
`;
  try {
    await writeFile(file, text);
    const config = await parseProxyConfig(['--config', file, '--hostname-override=n1']);
    assert.equal(config.kubeconfig, '/var/lib/kube-proxy/kubeconfig.conf');
    assert.equal(config.nodeName, 'n1');
    assert.equal(config.syncPeriodMs, 30_000);
    assert.deepEqual(config.detectLocal, { mode: 'ClusterCIDR', cidrs: ['10.244.0.0/16'] });
    await assert.rejects(
      parseProxyConfig(['--config', file, '--cluster-cidr=10.0.0.0/8']),
      /cannot stand beside --config/,
    );
    await writeFile(file, `${text}iptable: {}\n`);
    await assert.rejects(
      parseProxyConfig(['--config', file]),
      /iptable in ".*config.conf": \{\} cannot be used: no such field/,
    );
    await writeFile(file, text.replace('masqueradeAll: false', 'masqueradeAll: 7'));
    await assert.rejects(
      parseProxyConfig(['--config', file]),
      /iptables\.masqueradeAll in ".*": 7 cannot be used: want true or false/,
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});
