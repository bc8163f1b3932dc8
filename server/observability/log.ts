import pino from 'pino';

export type Log = pino.Logger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * Logs JSON lines, to stdout unless `to` is given. No secret may be logged: for sessions use their public id, never their token.
 */
export const createLog = (level: LogLevel, to?: pino.DestinationStream): Log =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: shortened } }, to);

/** Drops the error's own fields, because client libraries keep the arguments of the failed call there, which may be secrets. */
function shortened(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack } = error;
  return { name, message, stack, ...('code' in error ? { code: error.code } : {}) };
}
