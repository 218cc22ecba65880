// resource.Quantity: "250m", "1.5Gi", "1e3". Exact in nano units; follows the Kubernetes API conventions for resource quantities.

/** A parsed quantity: an exact number of billionths, and the suffix family that it was written in. */
export interface Quantity {
  readonly nano: bigint;
  readonly format: 'DecimalSI' | 'BinarySI' | 'DecimalExponent';
}

const billion = 1_000_000_000n;
const binaryPowers: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
/** Power of ten, counted from nano. */
const decimalPowers: Readonly<Record<string, bigint>> = {
  n: 0n,
  u: 3n,
  m: 6n,
  '': 9n,
  k: 12n,
  M: 15n,
  G: 18n,
  T: 21n,
  P: 24n,
  E: 27n,
};
const shape = /^([+-]?)(\d{0,40})(?:\.(\d{0,40}))?([a-zA-Z]{0,2}|[eE][+-]?\d{1,2})$/;
/** Upstream caps what a quantity can hold at 2^63 − 1 whole units. */
const largest = (2n ** 63n - 1n) * billion;

export const zero: Quantity = { nano: 0n, format: 'DecimalSI' };

/** Reads a quantity; undefined where `text` is none. Fractions below a billionth are rounded away from zero. */
export function tryParseQuantity(text: unknown): Quantity | undefined {
  const match =
    typeof text === 'number' ? shape.exec(String(text)) : typeof text === 'string' ? shape.exec(text) : null;
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(`${whole}${fraction}`);
  const scale = 10n ** BigInt(fraction.length);
  const [multiplier, format] = multiplierOf(suffix) ?? [];
  if (multiplier === undefined || format === undefined) return undefined;
  const magnitude = multiplier < 0n ? divideUp(digits, scale * -multiplier) : divideUp(digits * multiplier, scale);
  const capped = magnitude > largest ? largest : magnitude;
  return { nano: sign === '-' ? -capped : capped, format };
}

/** Nano units per unit of the suffix; negative: divide by it instead. */
function multiplierOf(suffix: string): [bigint, Quantity['format']] | undefined {
  const binary = binaryPowers[suffix];
  if (binary !== undefined) return [billion << binary, 'BinarySI'];
  const decimal = decimalPowers[suffix];
  if (decimal !== undefined) return [10n ** decimal, 'DecimalSI'];
  if (!/^[eE][+-]?\d/.test(suffix)) return undefined;
  const exponent = Number(suffix.slice(1)) + 9;
  return [exponent >= 0 ? 10n ** BigInt(exponent) : -(10n ** BigInt(-exponent)), 'DecimalExponent'];
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

/** Reads a quantity; throws a RangeError that quotes it where it is none. */
export function parseQuantity(text: string | number): Quantity {
  const quantity = tryParseQuantity(text);
  if (!quantity)
    throw new RangeError(
      `Cannot read quantity "${text}": want a number with an optional suffix, such as 500m, 1.5, 64Mi or 1e3`,
    );
  return quantity;
}

/** Whole units, rounded up, as upstream's Value(). */
export function value(quantity: Quantity): number {
  return Number(ceil(quantity.nano, billion));
}

/** Thousandths, rounded up, as upstream's MilliValue(). */
export function milliValue(quantity: Quantity): number {
  return Number(ceil(quantity.nano, 1_000_000n));
}

function ceil(nano: bigint, unit: bigint): bigint {
  return nano > 0n ? divideUp(nano, unit) : nano / unit;
}

export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** Negative, zero or positive, as for sorting. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** Whole units: `quantityOf(1536, 'BinarySI')` is "1536". */
export function quantityOf(units: number | bigint, format: Quantity['format'] = 'DecimalSI'): Quantity {
  return { nano: BigInt(units) * billion, format };
}

export function milliQuantity(thousandths: number): Quantity {
  return { nano: BigInt(Math.ceil(thousandths)) * 1_000_000n, format: 'DecimalSI' };
}

/** The canonical text: no fraction, the largest suffix that keeps it exact. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  if (format === 'BinarySI' && nano % billion === 0n) return formatBinary(nano / billion);
  let power = 0n;
  let digits = nano;
  while (digits % 1000n === 0n && power < 27n) {
    digits /= 1000n;
    power += 3n;
  }
  if (format === 'DecimalExponent') return power === 9n ? `${digits}` : `${digits}e${power - 9n}`;
  const suffix = Object.keys(decimalPowers).find((name) => decimalPowers[name] === power) ?? '';
  return `${digits}${suffix}`;
}

function formatBinary(units: bigint): string {
  let digits = units;
  let suffix = '';
  for (const name of Object.keys(binaryPowers)) {
    if (digits % 1024n !== 0n) break;
    digits /= 1024n;
    suffix = name;
  }
  return `${digits}${suffix}`;
}
