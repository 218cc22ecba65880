// From a runtime's JSON to a BridgeConfig. Everything that we do not understand is refused by name: a typo must not become a default.
import { canonicalIp, parseCidr } from '../../host/cidr.ts';
import {
  type AttachmentKey,
  type BridgeConfig,
  CniCode,
  CniError,
  type CniVersion,
  type Route,
  SUPPORTED_VERSIONS,
} from '../model.ts';
import { asFields, asList, booleanAt, type Fields, integerAt, refuse, refuseUnknown, stringAt } from './fields.ts';
import { parseRangeSets } from './ranges.ts';

export const DEFAULT_LEASE_ROOT = '/var/lib/cni/nodelet-bridge';
const DEFAULT_BRIDGE = 'nodelet0';

/** Written by the operator, or added by runtimes on the way. */
const TOP_FIELDS = [
  ...['cniVersion', 'name', 'type', 'bridge', 'isGateway', 'isDefaultGateway', 'hairpinMode', 'mtu', 'ipMasq'],
  ...['promiscMode', 'ipam', 'dns', 'args', 'capabilities', 'runtimeConfig', 'prevResult', 'disableCheck'],
  ...['cni.dev/valid-attachments', 'cni.dev/attachments'],
];
const IPAM_FIELDS = ['ranges', 'routes', 'dataDir'];

/** The version of a configuration, before anything else in it is read. Absent means 0.1.0, which we do not speak. */
export function parseVersion(config: unknown): CniVersion {
  const asked = stringAt(asFields(config, '(whole)'), 'cniVersion', 'cniVersion') ?? '0.1.0';
  const version = SUPPORTED_VERSIONS.find((supported) => supported === asked);
  if (version) return version;
  const message = `Incompatible CNI version: configuration has "${asked}", supported are ${SUPPORTED_VERSIONS.join(', ')}`;
  throw new CniError(CniCode.IncompatibleVersion, message);
}

/** Throws CniError 1 for a version we do not speak and 7 for any field that is unknown or does not fit. */
export function parseBridgeConfig(input: unknown, args: ReadonlyMap<string, string> = new Map()): BridgeConfig {
  const config = asFields(input, '(whole)');
  const cniVersion = parseVersion(config);
  refuseUnknown(config, TOP_FIELDS, '');
  refuseWhatWeDoNot(config);
  const name = networkName(config);
  const ipam = asFields(config['ipam'], 'ipam');
  refuseUnknown(ipam, IPAM_FIELDS, 'ipam.');
  const runtime = config['runtimeConfig'] === undefined ? {} : asFields(config['runtimeConfig'], 'runtimeConfig');
  const isDefaultGateway = booleanAt(config, 'isDefaultGateway', 'isDefaultGateway');
  const prevResult = config['prevResult'];
  return {
    cniVersion,
    name,
    bridge: linkName(config),
    isGateway: isDefaultGateway || booleanAt(config, 'isGateway', 'isGateway'),
    isDefaultGateway,
    hairpinMode: booleanAt(config, 'hairpinMode', 'hairpinMode'),
    mtu: integerAt(config, 'mtu', 'mtu', 68, 65_535),
    rangeSets: parseRangeSets(ipam, runtime),
    routes: parseRoutes(ipam['routes']),
    staticIps: staticIps(config, runtime, args),
    dns: config['dns'] === undefined ? undefined : asFields(config['dns'], 'dns'),
    leaseDir: `${leaseRoot(ipam)}/${name}`,
    prevResult: prevResult === undefined || prevResult === null ? undefined : asFields(prevResult, 'prevResult'),
    validAttachments: parseAttachments(config['cni.dev/valid-attachments'] ?? config['cni.dev/attachments']),
  };
}

function refuseWhatWeDoNot(config: Fields): void {
  if (booleanAt(config, 'ipMasq', 'ipMasq')) {
    refuse('ipMasq', true, 'false: masquerade the whole range by one rule of the node instead of one per container');
  }
  if (booleanAt(config, 'promiscMode', 'promiscMode')) {
    refuse('promiscMode', true, 'false: use hairpinMode, which does not make the bridge hear foreign frames');
  }
}

function networkName(config: Fields): string {
  const name = stringAt(config, 'name', 'name');
  if (name !== undefined && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(name)) return name;
  return refuse('name', name, 'a letter or digit, then letters, digits, "_", "." and "-", at most 128');
}

function linkName(config: Fields): string {
  const bridge = stringAt(config, 'bridge', 'bridge') ?? DEFAULT_BRIDGE;
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(bridge)) return bridge;
  return refuse('bridge', bridge, 'the name of a link: letters, digits, "_", "." and "-", at most 15');
}

function leaseRoot(ipam: Fields): string {
  const dir = stringAt(ipam, 'dataDir', 'ipam.dataDir') ?? DEFAULT_LEASE_ROOT;
  if (dir.startsWith('/') && !dir.includes('\0') && !dir.split('/').includes('..')) return dir.replace(/\/+$/, '');
  return refuse('ipam.dataDir', dir, 'an absolute path without ".."');
}

function parseRoutes(value: unknown): readonly Route[] {
  if (value === undefined) return [];
  return asList(value, 'ipam.routes').map((item, at) => {
    const path = `ipam.routes[${at}]`;
    const route = asFields(item, path);
    refuseUnknown(route, ['dst', 'gw'], `${path}.`);
    const dst = stringAt(route, 'dst', `${path}.dst`) ?? '';
    const gw = stringAt(route, 'gw', `${path}.gw`);
    const block = parseCidr(dst) ?? refuse(`${path}.dst`, dst, 'a block such as "0.0.0.0/0"');
    if (gw === undefined) return { dst };
    const sameFamily = canonicalIp(gw) !== undefined && gw.includes(':') === (block.family === 6);
    return sameFamily ? { dst, gw } : refuse(`${path}.gw`, gw, `an address of the family of "${dst}"`);
  });
}

/** Addresses asked for: by capability "ips", by args.cni.ips, or by CNI_ARGS "IP=". The first that is there counts. */
function staticIps(config: Fields, runtime: Fields, args: ReadonlyMap<string, string>): readonly string[] {
  const outer = config['args'] === undefined ? {} : asFields(config['args'], 'args');
  const inner = outer['cni'] === undefined ? {} : asFields(outer['cni'], 'args.cni');
  if (runtime['ips'] !== undefined)
    return canonicalList(asList(runtime['ips'], 'runtimeConfig.ips'), 'runtimeConfig.ips');
  if (inner['ips'] !== undefined) return canonicalList(asList(inner['ips'], 'args.cni.ips'), 'args.cni.ips');
  const asked = args.get('IP');
  return asked === undefined ? [] : canonicalList(asked.split(','), 'CNI_ARGS IP');
}

/** "10.0.0.5" or "10.0.0.5/24": the prefix length is that of the range. */
function canonicalList(values: readonly unknown[], path: string): readonly string[] {
  return values.map((value, at) => {
    const ip = typeof value === 'string' ? canonicalIp(value.split('/')[0] ?? '') : undefined;
    return ip ?? refuse(`${path}[${at}]`, value, 'an address such as "10.0.0.5"');
  });
}

function parseAttachments(value: unknown): readonly AttachmentKey[] | undefined {
  if (value === undefined) return undefined;
  const path = 'cni.dev/valid-attachments';
  return asList(value, path).map((item, at) => {
    const attachment = asFields(item, `${path}[${at}]`);
    const containerId = stringAt(attachment, 'containerID', `${path}[${at}].containerID`);
    const ifName = stringAt(attachment, 'ifname', `${path}[${at}].ifname`);
    if (containerId === undefined || ifName === undefined) refuse(`${path}[${at}]`, item, 'containerID and ifname');
    return { containerId, ifName } as AttachmentKey;
  });
}
