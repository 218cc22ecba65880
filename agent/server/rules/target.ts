// A request's path and query, decoded once: whoever may ask and whoever answers see the same segments.

export interface Target {
  /** Decoded, without the slashes; a trailing slash counts for nothing. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** Undefined where a path could mean two things to two readers: dot segments, hidden slashes, broken escapes. */
export function parseTarget(url: string): Target | undefined {
  if (!url.startsWith('/')) return undefined;
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const raw = path.slice(1).split('/');
  if (raw.at(-1) === '') raw.pop();
  const segments: string[] = [];
  for (const part of raw) {
    const segment = decode(part);
    if (segment === undefined) return undefined;
    segments.push(segment);
  }
  return { segments, query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)) };
}

function decode(part: string): string | undefined {
  try {
    const segment = decodeURIComponent(part);
    return segment === '' || segment === '.' || segment === '..' || /[/\\\0]/.test(segment) ? undefined : segment;
  } catch {
    return undefined;
  }
}
