// The nouns of the bridge plugin: what a runtime asks, what we were configured to do, what we answer. CNI specification 1.1.
import type { Cidr, Family } from '../host/cidr.ts';

export const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];
export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC' | 'VERSION';

/** One call of a runtime: the environment's words and the configuration from stdin, not yet trusted. */
export interface CniRequest {
  readonly command: string;
  readonly containerId: string;
  /** Path of the pod's network namespace; empty where the runtime has none any more (DEL). */
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS: "KEY=value;KEY=value". */
  readonly args: string;
  readonly config: unknown;
}

/** The specification's error codes; from 100 on they are ours. */
export const CniCode = {
  IncompatibleVersion: 1,
  UnknownContainer: 3,
  InvalidEnvironment: 4,
  IoFailure: 5,
  DecodingFailure: 6,
  InvalidConfig: 7,
  TryAgainLater: 11,
  NotAvailable: 50,
  /** CHECK found something else than what ADD made. */
  NotAsAdded: 100,
  /** A program of the host refused: its words are in the details. */
  HostRefused: 101,
} as const;
export type CniCode = (typeof CniCode)[keyof typeof CniCode];

export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: CniCode;
  readonly details: string;

  constructor(code: CniCode, message: string, details = '', cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.details = details;
  }
}

/** Addresses of one subnet that may be given out, the first and the last of them included. */
export interface Range {
  readonly subnet: Cidr;
  readonly first: bigint;
  readonly last: bigint;
  readonly gateway: bigint;
}

/** A container gets one address of each set; the ranges of a set are of one family. */
export type RangeSet = readonly [Range, ...Range[]];

export interface Route {
  readonly dst: string;
  readonly gw?: string;
}

/** The configuration after parsing: nobody asks again whether a value is there. */
export interface BridgeConfig {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly bridge: string;
  /** The bridge carries the gateway addresses. */
  readonly isGateway: boolean;
  /** Containers get default routes over it. */
  readonly isDefaultGateway: boolean;
  /** A container reaches itself through a service address. */
  readonly hairpinMode: boolean;
  /** Undefined: the kernel's choice. */
  readonly mtu: number | undefined;
  readonly rangeSets: readonly RangeSet[];
  readonly routes: readonly Route[];
  /** Addresses that were asked for by the runtime. */
  readonly staticIps: readonly string[];
  readonly dns: Readonly<Record<string, unknown>> | undefined;
  /** One file per lease lies here. */
  readonly leaseDir: string;
  readonly prevResult: Readonly<Record<string, unknown>> | undefined;
  /** GC keeps these and nothing else. Undefined: the runtime did not say. */
  readonly validAttachments: readonly AttachmentKey[] | undefined;
}

export interface AttachmentKey {
  readonly containerId: string;
  readonly ifName: string;
}

export interface LeasedAddress {
  readonly family: Family;
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string;
}

/** What a container holds: a name for the host's end of its cable, and one address per range set. */
export interface Lease extends AttachmentKey {
  readonly hostIfName: string;
  /** Canonical texts, in the order of the range sets. */
  readonly addresses: readonly string[];
}

/** One cable to be: everything that the plan needs. */
export interface Attachment extends AttachmentKey {
  readonly netns: string;
  readonly hostIfName: string;
  readonly mac: string;
  readonly addresses: readonly LeasedAddress[];
  readonly routes: readonly Route[];
}

/** What there is of an attachment, host's and pod's side. */
export interface ObservedAttachment {
  readonly bridgeMac: string;
  readonly hostMac: string;
  readonly mtu: number;
}
