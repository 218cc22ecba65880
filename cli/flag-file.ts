// A file of flags: YAML whose keys are flags without their dashes. What stands on the command line wins.
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { FlagError } from './up-flags.ts';

const flag = '--config=';

/** Puts the flags of the file that --config names before the others. Throws `FlagError` for a file that is none. */
export async function withFlagFile(args: readonly string[]): Promise<string[]> {
  const path = args.find((one) => one.startsWith(flag))?.slice(flag.length);
  if (path === undefined) return [...args];
  let settings: unknown;
  try {
    settings = parse(await readFile(path, 'utf8'), { maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw new FlagError(`--config "${path}" cannot be used: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings))
    throw new FlagError(`--config "${path}" cannot be used: want flags and their values, such as secure-port: "6443"`);
  return [...flagsOf(settings, path), ...args.filter((one) => !one.startsWith(flag))];
}

function flagsOf(settings: object, path: string): string[] {
  return Object.entries(settings).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one: unknown) => {
      if (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') return `--${name}=${one}`;
      throw new FlagError(`${name} in "${path}" cannot be used: want a text, a number or a list of them`);
    }),
  );
}
