// Reads an Accept header and chooses the form of an answer. Pure.
import { notAcceptable } from './status-error.ts';

export interface MediaRange {
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
}

/** The client's wishes, dearest first; a header that is missing accepts everything. */
export function parseAccept(header: string | undefined): MediaRange[] {
  const ranges = (header ?? '*/*').split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((piece) => piece.trim());
    const params = Object.fromEntries(
      rest.map((pair) => pair.split('=', 2).map((side) => side.trim()) as [string, string]),
    );
    return { type: type.toLowerCase(), params, weight: params['q'] === undefined ? 1 : Number(params['q']) };
  });
  return ranges.filter(({ weight }) => !(weight <= 0)).sort((a, b) => b.weight - a.weight);
}

export type Form = 'object' | 'table' | 'partial' | 'partial-list';

export interface Answer {
  readonly media: 'application/json' | 'application/yaml';
  readonly form: Form;
  /** Of meta.k8s.io, where the form is not the object itself. */
  readonly version: 'v1' | 'v1beta1';
}

const forms: Readonly<Record<string, Form>> = {
  Table: 'table',
  PartialObjectMetadata: 'partial',
  PartialObjectMetadataList: 'partial-list',
};
const jsonLike = new Set(['application/json', 'application/*', '*/*']);
const offered = ['application/json', 'application/yaml'];

/** How to answer with objects. Throws a 406 `StatusError` where no wish can be met. */
export function chooseAnswer(header: string | undefined): Answer {
  for (const { type, params } of parseAccept(header)) {
    const media = jsonLike.has(type) ? 'application/json' : type === 'application/yaml' ? type : undefined;
    if (!media) continue;
    const wanted = params['as'];
    if (wanted === undefined) return { media, form: 'object', version: 'v1' };
    const form = forms[wanted];
    const version = params['v'];
    if (form && params['g'] === 'meta.k8s.io' && (version === 'v1' || version === 'v1beta1'))
      return { media, form, version };
  }
  throw notAcceptable(offered);
}

/** The version of aggregated discovery that the client wants most; undefined for the plain documents. */
export function chooseDiscovery(header: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const { type, params } of parseAccept(header)) {
    if (!jsonLike.has(type)) continue;
    if (params['as'] === undefined) return undefined;
    const version = params['v'];
    const isDiscovery = params['g'] === 'apidiscovery.k8s.io' && params['as'] === 'APIGroupDiscoveryList';
    if (isDiscovery && (version === 'v2' || version === 'v2beta1')) return version;
  }
  return undefined;
}
