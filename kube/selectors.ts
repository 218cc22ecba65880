// Label and field selectors: the text form of queries and the object form of specs, matched against maps.

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** All requirements must hold; none of them selects everything. */
export type LabelSelector = readonly Requirement[];

/** metav1.LabelSelector as it stands in specs. */
export interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** A selector that cannot be read; the message quotes it. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

const token = /\s*(notin\b(?=\s*\()|in\b(?=\s*\()|==|!=|=|!|>|<|\(|\)|,|[^\s=!<>(),]+)/gy;
const keyShape = /^(?:[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const valueShape = /^(?:[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const symbols = new Set(['==', '!=', '=', '!', '>', '<', '(', ')', ',', 'in', 'notin']);

function tokens(text: string): string[] {
  const found: string[] = [];
  token.lastIndex = 0;
  for (let at = 0; at < text.length; at = token.lastIndex) {
    const match = token.exec(text);
    if (!match?.[1]) {
      if (text.slice(at).trim() === '') break;
      throw new SelectorError(`unable to parse requirement: unexpected "${text.slice(at, at + 20)}" in "${text}"`);
    }
    found.push(match[1]);
  }
  return found;
}

/** Reads "a=b,c!=d,e in (f,g),h,!i". Throws `SelectorError`. */
export function parseLabelSelector(text: string): LabelSelector {
  const rest = tokens(text);
  const requirements: Requirement[] = [];
  if (rest.length === 0) return requirements;
  for (;;) {
    requirements.push(requirement(rest, text));
    const next = rest.shift();
    if (next === undefined) return requirements;
    if (next !== ',') throw new SelectorError(`found "${next}", expected: ',' or end of string in "${text}"`);
  }
}

function requirement(rest: string[], text: string): Requirement {
  const first = rest.shift();
  if (first === '!') return { key: labelKey(rest.shift(), text), operator: 'DoesNotExist', values: [] };
  const key = labelKey(first, text);
  const operator = rest[0];
  if (operator === undefined || operator === ',') return { key, operator: 'Exists', values: [] };
  rest.shift();
  if (operator === '=' || operator === '==') return { key, operator: 'In', values: [labelValue(rest, text)] };
  if (operator === '!=') return { key, operator: 'NotIn', values: [labelValue(rest, text)] };
  if (operator === '>' || operator === '<') {
    const bound = labelValue(rest, text);
    if (!/^-?\d+$/.test(bound)) throw new SelectorError(`for '>' and '<' the value must be an integer in "${text}"`);
    return { key, operator: operator === '>' ? 'Gt' : 'Lt', values: [bound] };
  }
  if (operator === 'in' || operator === 'notin') {
    return { key, operator: operator === 'in' ? 'In' : 'NotIn', values: valueSet(rest, text) };
  }
  throw new SelectorError(`found "${operator}", expected: in, notin, =, ==, !=, >, < in "${text}"`);
}

function labelKey(key: string | undefined, text: string): string {
  if (key === undefined || symbols.has(key) || !keyShape.test(key)) {
    throw new SelectorError(`"${key ?? ''}" is not a label key in "${text}"`);
  }
  return key;
}

function labelValue(rest: string[], text: string): string {
  if (rest[0] === undefined || rest[0] === ',') return '';
  const value = rest.shift() ?? '';
  if ((symbols.has(value) && value !== 'in' && value !== 'notin') || !valueShape.test(value)) {
    throw new SelectorError(`"${value}" is not a label value in "${text}"`);
  }
  return value;
}

/** "(a, b)": between two commas, or beside a bracket, stands the empty value. */
function valueSet(rest: string[], text: string): string[] {
  if (rest.shift() !== '(') throw new SelectorError(`expected '(' in "${text}"`);
  const end = rest.indexOf(')');
  if (end < 0) throw new SelectorError(`expected ')' in "${text}"`);
  const inside = rest.splice(0, end);
  rest.shift();
  const values: string[] = [];
  for (let at = 0; at <= inside.length; at += 2) {
    const value = inside[at];
    if (value === undefined || value === ',') {
      values.push('');
      at -= 1;
      continue;
    }
    values.push(labelValue([value], text));
    const next = inside[at + 1];
    if (next === undefined) break;
    if (next !== ',') throw new SelectorError(`found "${next}", expected: ',' or ')' in "${text}"`);
  }
  return values;
}

/** The requirements of a spec's selector object; undefined (no selector at all) selects nothing: the caller decides. */
export function selectorOf(object: LabelSelectorObject): LabelSelector {
  const equal = Object.entries(object.matchLabels ?? {}).map(
    ([key, value]): Requirement => ({ key, operator: 'In', values: [value] }),
  );
  const expressions = (object.matchExpressions ?? []).map(
    ({ key, operator, values = [] }): Requirement => ({ key, operator: operator as Operator, values }),
  );
  return [...equal, ...expressions];
}

/** The selector as a query's text, keys in order: "app=web,tier in (a,b),!old". */
export function formatSelector(selector: LabelSelector): string {
  const ordered = [...selector].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return ordered.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  const set = [...values].sort().join(',');
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${set})`;
    case 'NotIn':
      return `${key} notin (${set})`;
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Gt':
      return `${key}>${values[0] ?? ''}`;
    case 'Lt':
      return `${key}<${values[0] ?? ''}`;
  }
}

export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>> | undefined): boolean {
  return selector.every((one) => holds(one, labels && Object.hasOwn(labels, one.key) ? labels[one.key] : undefined));
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && /^-?\d+$/.test(value) && BigInt(value) > BigInt(values[0] ?? 0);
    case 'Lt':
      return value !== undefined && /^-?\d+$/.test(value) && BigInt(value) < BigInt(values[0] ?? 0);
  }
}

export interface FieldRequirement {
  readonly path: string;
  readonly value: string;
  readonly equal: boolean;
}

/** Reads "metadata.name=web,status.phase!=Running"; backslash escapes of `,`, `=` and `\`. Throws `SelectorError`. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  return splitUnescaped(text, ',')
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^([^=!\\]+)(!=|==|=)((?:[^\\=]|\\.)*)$/s.exec(term);
      if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, path = '', operator, value = ''] = match;
      return { path: path.trim(), value: value.replace(/\\(.)/gs, '$1'), equal: operator !== '!=' };
    });
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') part += `${text[at]}${text[++at] ?? ''}`;
    else if (text[at] === separator) {
      parts.push(part);
      part = '';
    } else part += text[at];
  }
  return [...parts, part];
}

/** `read` gives a field's value as text, undefined where the object has none. */
export function matchesFields(
  selector: readonly FieldRequirement[],
  read: (path: string) => string | undefined,
): boolean {
  return selector.every(({ path, value, equal }) => ((read(path) ?? '') === value) === equal);
}
