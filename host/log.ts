// Structured logs: pino, JSON on stdout, constant messages with facts in fields.
import pino from 'pino';

export type Log = pino.Logger;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A logger whose lines carry `program`. Lines below `level` are not written. */
export function createLog(program: string, level: LogLevel = 'info'): Log {
  return pino({
    base: { program },
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: pino.stdSerializers.err },
  });
}

/** For tests and for callers that want no log. */
export const silentLog: Log = pino({ level: 'silent' });
