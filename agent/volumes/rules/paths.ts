// Which paths a manifest may name inside a volume. Static manifests have seen no API validation, so everything is checked here.

const longestPath = 4096;
const longestElement = 255;

/** Why `path` may not be a file of a written volume; undefined where it may. */
export function badFilePath(path: string): string | undefined {
  if (path === '') return 'invalid path: must not be empty';
  if (path.includes('\0')) return 'invalid path: must not contain a NUL byte';
  if (path.startsWith('/')) return `invalid path: must be relative path: ${path}`;
  if (Buffer.byteLength(path) > longestPath)
    return `invalid path: must be less than or equal to ${longestPath} characters`;
  const elements = path.split('/');
  if (elements.includes('..')) return `invalid path: must not contain '..': ${path}`;
  if (elements.some((element) => Buffer.byteLength(element) > longestElement)) {
    return `invalid path: filenames must be less than or equal to ${longestElement} characters`;
  }
  const first = elements.find((element) => element !== '' && element !== '.');
  if (first === undefined) return `invalid path: names no file: ${path}`;
  if (first.startsWith('..')) return `invalid path: must not start with '..': ${path}`;
  return undefined;
}

/** The path without empty and "." elements; for paths that `badFilePath` lets pass. */
export function cleanPath(path: string): string {
  return path
    .split('/')
    .filter((element) => element !== '' && element !== '.')
    .join('/');
}

export function hasBackstep(path: string): boolean {
  return path.split('/').includes('..');
}

/** Why `subPath` may not be mounted; undefined where it may. */
export function badSubPath(subPath: string): string | undefined {
  if (subPath.includes('\0')) return 'SubPath must not contain a NUL byte';
  if (subPath.startsWith('/')) return `error SubPath \`${subPath}\` must not be an absolute path`;
  if (hasBackstep(subPath)) return `unable to provision SubPath \`${subPath}\`: must not contain '..'`;
  return undefined;
}
