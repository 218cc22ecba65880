// hostPath's type: what must be at the path already, and what may be made there.

export type FileKind = 'directory' | 'file' | 'socket' | 'characterDevice' | 'blockDevice' | 'other' | 'absent';

export type HostPathPlan =
  | { readonly do: 'UseIt' }
  | { readonly do: 'MakeDirectory'; readonly mode: number; readonly because: string }
  | { readonly do: 'MakeFile'; readonly mode: number; readonly because: string }
  | { readonly do: 'Refuse'; readonly because: string };

const use: HostPathPlan = { do: 'UseIt' };

/** What to do about a hostPath of `type` at which a `kind` of file was found, links followed. */
export function planHostPath(path: string, type: string, kind: FileKind): HostPathPlan {
  const must = (holds: boolean, what: string): HostPathPlan =>
    holds ? use : { do: 'Refuse', because: `hostPath type check failed: ${path} is not ${what}` };
  const absent = kind === 'absent';
  switch (type) {
    case '':
      // Without a type nothing is checked, and engines have always made a missing directory.
      return absent ? { do: 'MakeDirectory', mode: 0o755, because: 'the path does not exist' } : use;
    case 'DirectoryOrCreate':
      if (absent) return { do: 'MakeDirectory', mode: 0o755, because: 'the type is DirectoryOrCreate' };
      return must(kind === 'directory', 'a directory');
    case 'FileOrCreate':
      if (absent) return { do: 'MakeFile', mode: 0o644, because: 'the type is FileOrCreate' };
      return must(kind !== 'directory', 'a file');
    case 'Directory':
      return must(kind === 'directory', 'a directory');
    case 'File':
      return must(!absent && kind !== 'directory', 'a file');
    case 'Socket':
      return must(kind === 'socket', 'a socket file');
    case 'CharDevice':
      return must(kind === 'characterDevice', 'a character device');
    case 'BlockDevice':
      return must(kind === 'blockDevice', 'a block device');
    default:
      return { do: 'Refuse', because: `${type} is an invalid volume type` };
  }
}
