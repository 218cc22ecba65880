// Texts of /proc/<pid>/mountinfo as facts.

/** Spaces and their like are written in octal. */
const withoutEscapes = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** The upper directory of the overlay at "/"; undefined where the root is none. */
export function parseUpperDirectory(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    if (before.split(' ')[4] !== '/' || type !== 'overlay') continue;
    const upper = /(?:^|,)upperdir=([^,]*)/.exec(options)?.[1];
    return upper === undefined ? undefined : withoutEscapes(upper);
  }
  return undefined;
}
