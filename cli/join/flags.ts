// The flags of `nodelet join`, checked before anything is asked or written.
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { parseCidr } from '../../host/cidr.ts';
import { tokenShape } from '../token.ts';
import { FlagError } from '../up-flags.ts';

export interface JoinFlags {
  readonly token: string;
  readonly discoveryTokenCaCertHash?: string[];
  readonly discoveryTokenUnsafeSkipCaVerification?: boolean;
  readonly nodeName?: string;
  readonly nodeIp?: string;
  readonly dockerHost: string;
  readonly clusterCidr: string;
  readonly clusterDns?: string;
}

export const joinFlagTable: readonly { flag: string; text: string; fallback?: string }[] = [
  { flag: '--token <token>', text: 'the bootstrap token, from `nodelet token create` or `kubeadm token create`' },
  {
    flag: '--discovery-token-ca-cert-hash <sha256:hex...>',
    text: 'the public key of the authority that must have signed',
  },
  { flag: '--discovery-token-unsafe-skip-ca-verification', text: 'let the token alone prove who the server is' },
  { flag: '--node-name <name>', text: 'name of the node (default: the host name)' },
  { flag: '--node-ip <address>', text: 'address of the node (default: the one of the default route)' },
  { flag: '--docker-host <unix://path>', text: 'the Docker Engine to use', fallback: 'unix:///var/run/docker.sock' },
  { flag: '--cluster-cidr <cidr>', text: 'addresses of pods in this cluster', fallback: '10.244.0.0/16' },
  { flag: '--cluster-dns <address>', text: "address of the cluster's DNS (default: none)" },
];

export interface JoinConfig {
  readonly server: string;
  readonly tokenId: string;
  readonly tokenSecret: string;
  /** Empty: the token's signature is proof enough. */
  readonly caHashes: readonly string[];
  readonly nodeName: string;
  /** Undefined: to be found from the default route. */
  readonly nodeIp: string | undefined;
  readonly dockerHost: string;
  readonly clusterCidr: string;
  readonly clusterDns: string | undefined;
}

/** Throws `FlagError` for the first that cannot be used. */
export function parseJoinFlags(server: string, flags: JoinFlags): JoinConfig {
  const refuse = (flag: string, value: string, accepts: string): never => {
    throw new FlagError(`${flag} "${value}" cannot be used: want ${accepts}`);
  };
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (url?.protocol !== 'https:' || url.pathname !== '/')
    refuse('server', server, 'a URL such as https://10.0.0.1:6443');
  const [, tokenId = '', tokenSecret = ''] =
    tokenShape.exec(flags.token ?? '') ??
    refuse('--token', flags.token ?? '', '6 and 16 lower-case letters or digits with "." between');
  const caHashes = flags.discoveryTokenCaCertHash ?? [];
  for (const one of caHashes)
    if (!/^sha256:[0-9a-f]{64}$/i.test(one))
      refuse('--discovery-token-ca-cert-hash', one, '"sha256:" and 64 hexadecimal digits');
  if (caHashes.length === 0 && !flags.discoveryTokenUnsafeSkipCaVerification)
    throw new FlagError(
      '--discovery-token-ca-cert-hash is needed: want what `nodelet token create --print-join-command` prints, or --discovery-token-unsafe-skip-ca-verification',
    );
  const nodeName = (flags.nodeName ?? hostname()).trim().toLowerCase();
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(nodeName)) refuse('--node-name', nodeName, 'a DNS name');
  const address = (flag: string, value: string | undefined): string | undefined =>
    value === undefined || isIP(value) !== 0 ? value : refuse(flag, value, 'an IP address');
  if (!flags.clusterCidr.split(',').every((one) => parseCidr(one)))
    refuse('--cluster-cidr', flags.clusterCidr, 'a range such as 10.244.0.0/16, or one of each family');
  if (!/^unix:\/\/\/./.test(flags.dockerHost))
    refuse('--docker-host', flags.dockerHost, 'unix:// and an absolute path: pods need the engine of this machine');
  return {
    server: server.replace(/\/$/, ''),
    tokenId,
    tokenSecret,
    caHashes: caHashes.map((one) => one.toLowerCase()),
    nodeName,
    nodeIp: address('--node-ip', flags.nodeIp),
    dockerHost: flags.dockerHost,
    clusterCidr: flags.clusterCidr,
    clusterDns: address('--cluster-dns', flags.clusterDns),
  };
}
