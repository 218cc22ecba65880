// What the text of a flag means.
import { ConfigError } from './config.ts';
import type { Kind } from './flag-table.ts';

/** Throws `ConfigError` where the text is no such thing. */
export function readValue(name: string, text: string, kind: Kind): unknown {
  const wrong = (want: string): ConfigError =>
    new ConfigError(`--${name}: ${JSON.stringify(text)} is not valid: want ${want}`);
  const items = text === '' ? [] : text.split(',');
  switch (kind) {
    case 'text':
      return text;
    case 'flag':
      if (text !== 'true' && text !== 'false') throw wrong('true or false');
      return text === 'true';
    case 'number':
      if (!/^-?\d{1,12}$/.test(text)) throw wrong('a whole number');
      return Number(text);
    case 'list':
      return items;
    case 'map': {
      const pairs = items.map((item) => /^([^=<]+)[=<](.*)$/s.exec(item));
      if (pairs.some((pair) => !pair)) throw wrong('name=value pairs, separated by commas');
      return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
    }
    case 'taints': {
      const taints = items.map((item) => /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(item));
      if (taints.some((taint) => !taint))
        throw wrong('key=value:effect, the effect NoSchedule, PreferNoSchedule or NoExecute');
      return taints.map((taint) => ({
        key: taint?.[1],
        ...(taint?.[2] ? { value: taint[2] } : {}),
        effect: taint?.[3],
      }));
    }
  }
}
