// $(NAME) in commands, arguments and values: one pass, no recursion.
import { ContainerConfigError } from './errors.ts';

// Values that refer to values grow by powers; no kernel takes more than this in one argument.
const longest = 1024 * 1024;

/** `$(NAME)` known is replaced, unknown stays as it is, `$$` is one dollar that starts nothing. */
export function expand(text: string, values: ReadonlyMap<string, string>): string {
  let result = '';
  for (let at = 0; at < text.length; at += 1) {
    const dollar = text.indexOf('$', at);
    if (dollar < 0 || dollar === text.length - 1) return result + text.slice(at);
    result += text.slice(at, dollar);
    if (result.length > longest) throw new ContainerConfigError('a value is longer than 1 MiB once expanded');
    const next = text[dollar + 1];
    const end = next === '(' ? text.indexOf(')', dollar) : -1;
    if (next === '$') {
      result += '$';
      at = dollar + 1;
    } else if (end > 0) {
      const name = text.slice(dollar + 2, end);
      result += values.get(name) ?? `$(${name})`;
      at = end;
    } else {
      result += '$';
      at = dollar;
    }
  }
  return result;
}
