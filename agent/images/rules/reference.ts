// Image references: what is written in a spec, and what it means.

export interface ImageReference {
  /** With the tag that was meant: "busybox:latest", "ghcr.io/a/b@sha256:…" */
  readonly full: string;
  /** "docker.io", "localhost:5000" */
  readonly registry: string;
  /** "library/busybox" */
  readonly path: string;
}

const longest = 4096;
const nameShape = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const hostShape = /^[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?(?::[0-9]{1,5})?$/;
const tagShape = /^[A-Za-z0-9_][-.A-Za-z0-9_]{0,127}$/;
const digestShape = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,128}$/;

/** Undefined where `text` is no reference. Without tag and digest ":latest" is meant. */
export function parseReference(text: string): ImageReference | undefined {
  if (text.length === 0 || text.length > longest) return undefined;
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !digestShape.test(digest))) return undefined;
  const slash = named.lastIndexOf('/');
  const colon = named.indexOf(':', slash + 1);
  const name = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !tagShape.test(tag)) return undefined;
  const elements = name.split('/');
  const [first = '', ...rest] = elements;
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const pathElements = hasHost ? rest : elements;
  if (hasHost && !hostShape.test(first)) return undefined;
  if (!pathElements.every((element) => element.length <= 255 && nameShape.test(element))) return undefined;
  const registry = hasHost && first !== 'index.docker.io' ? first : 'docker.io';
  const path =
    registry === 'docker.io' && pathElements.length === 1 ? `library/${pathElements[0]}` : pathElements.join('/');
  return { full: tag === undefined && digest === undefined ? `${text}:latest` : text, registry, path };
}
