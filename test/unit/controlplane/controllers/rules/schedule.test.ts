// Cron schedules: when they are due, in which time zone, and what cannot be read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextDue, parseSchedule } from '../../../../../controlplane/controllers/rules/schedule.ts';

const next = (schedule: string, after: string, zone?: string): string | undefined => {
  const ms = nextDue(parseSchedule(schedule), Date.parse(after), zone);
  return ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16);
};

const due: readonly [schedule: string, after: string, due: string | undefined, zone?: string][] = [
  ['* * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01'],
  ['*/15 * * * *', '2026-01-01T00:15:00Z', '2026-01-01T00:30'],
  ['0 3 * * *', '2026-01-01T03:00:00Z', '2026-01-02T03:00'],
  ['30 8 * * mon-fri', '2026-01-02T09:00:00Z', '2026-01-05T08:30'],
  ['0 0 1 jan,jul ?', '2026-01-01T00:00:00Z', '2026-07-01T00:00'],
  ['0 0 13 * 5', '2026-01-01T00:00:00Z', '2026-01-02T00:00'],
  ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00'],
  ['0 0 31 2 *', '2026-01-01T00:00:00Z', undefined],
  ['@hourly', '2026-01-01T00:10:00Z', '2026-01-01T01:00'],
  ['0 0 * * 7', '2026-01-01T00:00:00Z', '2026-01-04T00:00'],
  ['5/20 10 * * *', '2026-01-01T10:10:00Z', '2026-01-01T10:25'],
  ['0 9 * * *', '2026-01-01T00:00:00Z', '2026-01-01T08:00', 'Europe/Berlin'],
  ['0 9 * * *', '2026-07-01T00:00:00Z', '2026-07-01T07:00', 'Europe/Berlin'],
  ['30 12 * * *', '2026-01-01T00:00:00Z', '2026-01-01T07:00', 'Asia/Kolkata'],
];

for (const [schedule, after, expected, zone = 'UTC'] of due) {
  test(`"${schedule}" in ${zone} is due after ${after} at ${expected ?? 'no time'}`, () => {
    assert.equal(next(schedule, after, zone), expected);
  });
}

const wrong: readonly [schedule: string, message: string][] = [
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['61 * * * *', 'end of range (61) above maximum (59): 61'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['9-5 * * * *', 'beginning of range (9) beyond end of range (5): 9-5'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['x * * * *', 'failed to parse int from x: invalid syntax'],
];

for (const [schedule, message] of wrong) {
  test(`"${schedule}" is refused`, () => {
    assert.throws(() => parseSchedule(schedule), { name: 'ScheduleError', message });
  });
}
