// The kubelet's command line: most flags are names for fields of KubeletConfiguration, and win over its files.
import { acceptedFlags } from './accepted.ts';
import { toConfig } from './agent-config.ts';
import { type AgentConfig, ConfigError } from './config.ts';
import { bareFlags, fieldFlags, type Kind, otherFlags } from './flag-table.ts';
import { hint } from './near.ts';
import { checkFields, readSettingsFiles, setField } from './settings.ts';
import { readValue } from './values.ts';

/** Reads flags, the file that --config names and the directory that --config-dir names. Throws `ConfigError`. */
export async function parseAgentConfig(args: readonly string[]): Promise<AgentConfig> {
  const flags = parseFlags(args);
  let fields = await readSettingsFiles(flags.get('config'), flags.get('config-dir'));
  for (const [name, text] of flags) {
    const field = Object.hasOwn(fieldFlags, name) ? fieldFlags[name] : undefined;
    if (field) fields = setField(fields, field[0], readValue(name, text, field[1]));
  }
  const unheededFlags = [...flags.keys()].filter((name) => acceptedFlags[name] === true).map((name) => `--${name}`);
  return freeze(toConfig(checkFields(fields), flags, unheededFlags));
}

function parseFlags(args: readonly string[]): Map<string, string> {
  const flags = new Map<string, string>();
  for (let at = 0; at < args.length; at += 1) {
    const [, name = '', inline] = /^--?([A-Za-z][-A-Za-z0-9]*)(?:=(.*))?$/s.exec(args[at] ?? '') ?? [];
    const kind = kindOf(name);
    if (kind === undefined) throw unknownFlag(args[at] ?? '', name);
    let text = inline;
    if (text === undefined && kind === 'flag') text = 'true';
    if (text === undefined) {
      at += 1;
      text = args[at];
    }
    if (text === undefined) throw new ConfigError(`--${name} needs a value`);
    flags.set(name, text);
  }
  return flags;
}

function kindOf(name: string): Kind | undefined {
  if (Object.hasOwn(fieldFlags, name)) return fieldFlags[name]?.[1];
  if (Object.hasOwn(otherFlags, name)) return otherFlags[name];
  if (!Object.hasOwn(acceptedFlags, name)) return undefined;
  return bareFlags.has(name) ? 'flag' : 'text';
}

function unknownFlag(argument: string, name: string): ConfigError {
  const known = [...Object.keys(fieldFlags), ...Object.keys(otherFlags), ...Object.keys(acceptedFlags)];
  const named = name === '' ? 'want --name=value' : hint(name, known, 'want a flag of the kubelet');
  return new ConfigError(`Unknown flag ${JSON.stringify(argument)}: ${named}`);
}

function freeze<T>(whole: T): T {
  if (typeof whole === 'object' && whole !== null) for (const part of Object.values(whole)) freeze(part);
  return Object.freeze(whole);
}
