// Which remembered UDP and SCTP flows lead nowhere: made before a rule was there, or to an endpoint that is gone.
import type { Frontend } from '../model.ts';

/** One entry of the kernel's table: what was asked, and who answers. */
export interface Flow {
  readonly protocol: string;
  readonly destination: string;
  readonly port: number;
  readonly replySource: string;
}

/** Reads the output of `conntrack -L`; lines of other shapes are left out. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const protocol = /^(\S+)/.exec(line)?.[1] ?? '';
    const [, destination] = line.match(/ dst=(\S+)/) ?? [];
    const [, port] = line.match(/ dport=(\d+)/) ?? [];
    const replySource = [...line.matchAll(/ src=(\S+)/g)][1]?.[1];
    return destination && port && replySource ? [{ protocol, destination, port: Number(port), replySource }] : [];
  });
}

const keyOf = ({ protocol, ip, port }: Pick<Frontend, 'protocol' | 'ip' | 'port'>): string =>
  `${protocol} ${ip ?? '*'} ${port}`;

/** Whether flows of this frontend may outlive their endpoint: TCP notices by itself. */
export function isConnectionless({ protocol }: Frontend): boolean {
  return protocol !== 'tcp';
}

/**
 * The flows to forget, each once. `gone` are frontends that no Service has any more. A frontend without serving endpoints keeps its
 * flows until it has one: there is nowhere better to send them.
 */
export function staleFlows(
  flows: readonly Flow[],
  frontends: readonly Frontend[],
  gone: readonly Frontend[],
  hostAddresses: ReadonlySet<string>,
): Flow[] {
  const known = new Map(frontends.map((one) => [keyOf(one), one.endpointIps]));
  const former = new Set(gone.map(keyOf).filter((key) => !known.has(key)));
  const isStale = ({ protocol, destination, port, replySource }: Flow): boolean => {
    const exact = `${protocol} ${destination} ${port}`;
    const anywhere = hostAddresses.has(destination) ? `${protocol} * ${port}` : exact;
    const endpoints = known.get(exact) ?? known.get(anywhere);
    if (endpoints) return endpoints.size > 0 && !endpoints.has(replySource);
    return (former.has(exact) || former.has(anywhere)) && replySource !== destination;
  };
  const stale = new Map<string, Flow>();
  for (const flow of flows) if (isStale(flow)) stale.set(`${Object.values(flow)}`, flow);
  return [...stale.values()];
}
