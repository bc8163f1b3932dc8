import pino from 'pino';

export type Log = pino.Logger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * JSON lines, on stdout unless told otherwise. Whoever logs names what it logs: sessions by their public id, never by their
 * token.
 */
export const createLog = (level: LogLevel, to?: pino.DestinationStream): Log =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: shortened } }, to);

/** Not its own fields: client libraries keep the arguments of the failed call there, secrets among them. */
function shortened(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack } = error;
  return { name, message, stack, ...('code' in error ? { code: error.code } : {}) };
}
