import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressesOf,
  candidateFiles,
  parseNetworkConfig,
  pluginInput,
} from '../../../../../agent/network/rules/conflist.ts';

test('a list is read, and a single plugin stands for a list of one', () => {
  const plugin = { type: 'bridge', capabilities: { portMappings: true }, extra: 1 };
  const list = { cniVersion: '1.0.0', name: 'n', disableCheck: true, plugins: [plugin] };
  assert.deepEqual(parseNetworkConfig(JSON.stringify(list)), list);
  const single = { cniVersion: '0.4.0', name: 'n', type: 'bridge' };
  assert.deepEqual(parseNetworkConfig(JSON.stringify(single)), {
    cniVersion: '0.4.0',
    name: 'n',
    disableCheck: false,
    plugins: [single],
  });
});

const broken: readonly [what: string, text: string, words: RegExp][] = [
  ['half a file', '{"name"', /JSON/],
  ['nothing', '', /JSON/],
  ['a list', '[]', /not a JSON object/],
  ['no name', '{"plugins":[{"type":"a"}]}', /"name" is undefined/],
  ['a name with a path', '{"name":"../a","type":"a"}', /"name" is "..\/a"/],
  ['no plugins', '{"name":"a","plugins":[]}', /"plugins" is empty/],
  ['a type that climbs (CVE-2021-20206)', '{"name":"a","type":"../../sbin/reboot"}', /type" is "..\/../],
  ['an absolute type', '{"name":"a","plugins":[{"type":"/bin/sh"}]}', /plugins\[0\].type" is "\/bin\/sh"/],
  ['a type with NUL', '{"name":"a","type":"a\\u0000b"}', /type" is/],
  ['two dots', '{"name":"a","type":".."}', /type" is/],
];

for (const [what, text, words] of broken) {
  test(`refused: ${what}`, () => assert.throws(() => parseNetworkConfig(text), words));
}

test('files are tried by name, others are not looked at', () => {
  assert.deepEqual(
    candidateFiles(['20-b.conf', '10-a.json', 'README', '10-a.conflist', '00-x.conf.bak', '.conf.swp']),
    ['10-a.conflist', '10-a.json', '20-b.conf'],
  );
});

test('a plugin sees its own fields, the network, the result before, and only capabilities that it declares', () => {
  const plugin = { type: 'portmap', snat: true, capabilities: { portMappings: true, bandwidth: false } };
  const network = { cniVersion: '1.0.0', name: 'n', plugins: [plugin] };
  assert.deepEqual(pluginInput(network, plugin, { portMappings: [1], bandwidth: {}, dns: {} }, { ips: [] }), {
    type: 'portmap',
    snat: true,
    capabilities: { portMappings: true, bandwidth: false },
    cniVersion: '1.0.0',
    name: 'n',
    runtimeConfig: { portMappings: [1] },
    prevResult: { ips: [] },
  });
  assert.deepEqual(pluginInput(network, { type: 'x' }, { portMappings: [1] }, undefined), {
    type: 'x',
    cniVersion: '1.0.0',
    name: 'n',
  });
});

test('addresses are read from any result, and none from what is no result', () => {
  assert.deepEqual(addressesOf({ ips: [{ address: '10.0.0.2/24' }, { address: 'fd00::2/64' }, {}] }), [
    '10.0.0.2',
    'fd00::2',
  ]);
  for (const odd of [undefined, null, 1, [], { ips: 'x' }, { ips: [null] }]) assert.deepEqual(addressesOf(odd), []);
});
