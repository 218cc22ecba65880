// Cron's five fields: when a schedule is due, in any time zone.

/** A schedule that cannot be read. */
export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';
}

export interface Schedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Days count only where weekdays are free, and the other way round; where both are bound, one of them is enough. */
  readonly anyDay: boolean;
  readonly anyWeekday: boolean;
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const words: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** Reads a schedule. Throws `ScheduleError`. */
export function parseSchedule(text: string): Schedule {
  const fields = (words[text.trim()] ?? text).trim().split(/\s+/);
  const [minutes = '', hours = '', days = '', months = '', weekdays = ''] = fields;
  if (fields.length !== 5)
    throw new ScheduleError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  const named = (names: readonly string[], from: number) => (word: string) => {
    const at = names.indexOf(word.toLowerCase());
    return at < 0 ? undefined : at + from;
  };
  return {
    minutes: parseField(minutes, 0, 59),
    hours: parseField(hours, 0, 23),
    days: parseField(days, 1, 31),
    months: parseField(months, 1, 12, named(monthNames, 1)),
    weekdays: new Set([...parseField(weekdays, 0, 7, named(dayNames, 0))].map((day) => day % 7)),
    anyDay: /^[*?]/.test(days),
    anyWeekday: /^[*?]/.test(weekdays),
  };
}

function parseField(
  text: string,
  least: number,
  most: number,
  named: (word: string) => number | undefined = () => undefined,
): Set<number> {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', step, ...rest] = part.split('/');
    const [first = '', last, ...more] = range.split('-');
    if (rest.length > 0) throw new ScheduleError(`too many slashes: ${part}`);
    if (more.length > 0) throw new ScheduleError(`too many hyphens: ${part}`);
    const read = (word: string): number => named(word) ?? parseNumber(word);
    const isAny = first === '*' || first === '?';
    const from = isAny ? least : read(first);
    // "5/15" goes on to the end.
    const single = step === undefined ? from : most;
    const to = isAny ? most : last === undefined ? single : read(last);
    const by = step === undefined ? 1 : parseNumber(step);
    if (from < least) throw new ScheduleError(`beginning of range (${from}) below minimum (${least}): ${part}`);
    if (to > most) throw new ScheduleError(`end of range (${to}) above maximum (${most}): ${part}`);
    if (from > to) throw new ScheduleError(`beginning of range (${from}) beyond end of range (${to}): ${part}`);
    if (by === 0) throw new ScheduleError(`step of range should be a positive number: ${part}`);
    for (let value = from; value <= to; value += by) found.add(value);
  }
  return found;
}

function parseNumber(word: string): number {
  if (!/^\d{1,4}$/.test(word)) throw new ScheduleError(`failed to parse int from ${word}: invalid syntax`);
  return Number(word);
}

interface Wall {
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

/** What clocks on the wall of a time zone show. */
function wallClock(timeZone: string): (ms: number) => Wall {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    month: 'numeric',
    day: 'numeric',
    weekday: 'short',
    hour: 'numeric',
    minute: 'numeric',
  });
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return {
      month: Number(parts['month']),
      day: Number(parts['day']),
      weekday: dayNames.indexOf((parts['weekday'] ?? '').toLowerCase()),
      hour: Number(parts['hour']),
      minute: Number(parts['minute']),
    };
  };
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** 29 February comes at least once in eight years. */
const farthestMs = 9 * 366 * 24 * hourMs;

function isDay(schedule: Schedule, { month, day, weekday }: Wall): boolean {
  if (!schedule.months.has(month)) return false;
  const isDate = schedule.days.has(day);
  const isWeekday = schedule.weekdays.has(weekday);
  return schedule.anyDay || schedule.anyWeekday ? isDate && isWeekday : isDate || isWeekday;
}

/** The first time after `afterMs` that the schedule is due; undefined where it never is. */
export function nextDue(schedule: Schedule, afterMs: number, timeZone = 'UTC'): number | undefined {
  const wall = wallClock(timeZone);
  let ms = (Math.floor(afterMs / minuteMs) + 1) * minuteMs;
  for (const end = ms + farthestMs; ms < end; ) {
    const now = wall(ms);
    if (isDay(schedule, now) && schedule.hours.has(now.hour)) {
      if (schedule.minutes.has(now.minute)) return ms;
      ms += minuteMs;
    } else {
      // To the next full hour on the wall: a change of clocks happens there, too.
      ms += (60 - now.minute) * minuteMs;
    }
  }
  return undefined;
}
