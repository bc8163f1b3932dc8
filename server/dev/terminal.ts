import { isatty } from 'node:tty';

const terminals = [0, 1, 2].filter((stream) => isatty(stream));

/** Where one of our streams is a terminal, a SIGHUP says that it is gone; elsewhere somebody has sent it on purpose. */
export const isAtTerminal = terminals.length > 0;

/** Node 20 resets the terminal when it exits, and aborts when there is none any more: then by the signal that says so. */
export function exit(code: number): never {
  if (terminals.some((stream) => !isatty(stream))) {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  process.exit(code);
}
