// The nouns of cluster DNS: records, what a zone can be asked, and what a lookup finds.

interface Owned {
  /** Lower case, without the last dot: "hello.default.svc.cluster.local". */
  readonly name: string;
  readonly ttl: number;
}

export interface ServiceLocation {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface StartOfAuthority {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  /** How long "there is no such name" may be believed. */
  readonly minimum: number;
}

export type DnsRecord = Owned &
  (
    | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'PTR' | 'TXT'; readonly data: string }
    | { readonly type: 'SRV'; readonly data: ServiceLocation }
    | { readonly type: 'SOA'; readonly data: StartOfAuthority }
  );

/** What the objects of the cluster say about names. */
export interface Zone {
  /** "cluster.local" */
  readonly domain: string;
  /** Undefined: no such name. Empty: the name exists, or has names below it, and owns nothing. */
  find(name: string): readonly DnsRecord[] | undefined;
  /** The SOA of `origin`, one of our zones; its serial is the time of the last change. */
  authority(origin: string): DnsRecord;
}

/** An answer that needs nobody else, but for `leadsTo`: an alias out of the cluster, to be asked for elsewhere. */
export interface Found {
  readonly rcode: 'NOERROR' | 'NXDOMAIN';
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  readonly leadsTo?: string;
}

/** Seconds that an answer may be kept: short, because endpoints come and go. */
export const ttlSeconds = 5;
