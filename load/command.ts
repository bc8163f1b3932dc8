import { Closers } from '../server/closers.ts';
import { progress } from './bench/kit/progress.ts';

/** If closing takes longer than this, the process ends all the same. */
const FORCE_AFTER_MS = 30_000;
const INTERRUPTED = 130;

/** A running command of the terminal. */
export interface Command {
  /** Whatever the command opens must be added here. It is closed at the end, or after Ctrl-C. */
  readonly closers: Closers;
  /** The command was interrupted, and is closing what it opened. */
  readonly interrupted: boolean;
  /** Shows on stderr what the command is doing. Does nothing once it is interrupted. */
  say(what: string): void;
}

/**
 * Runs `main`, closes everything that it opened in reverse order, and ends the process with its exit code. A signal ends it too.
 * @param usage printed after an error
 */
export async function runCommand(
  name: string,
  main: (command: Command) => Promise<number>,
  usage?: string,
): Promise<never> {
  const closers = new Closers();
  let interrupted = false;
  const command = {
    closers,
    get interrupted() {
      return interrupted;
    },
    say: (what: string) => {
      if (!interrupted) progress(what);
    },
  };
  const interruption = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        // The second signal of one Ctrl-C: the terminal sends it to all processes, and npm sends it once more.
        if (interrupted) return;
        progress('ending what was started');
        interrupted = true;
        resolve(INTERRUPTED);
      });
    }
  });
  const done = main(command).catch((error: unknown) => {
    // The error is a consequence of the interruption: what `main` was using has been closed.
    if (interrupted) return INTERRUPTED;
    progress('');
    return fail(
      [`${name}: ${error instanceof Error ? error.message : error}`, usage].filter(Boolean).join('\n'),
    );
  });
  const code = await Promise.race([done, interruption]);
  setTimeout(() => process.exit(code || 1), FORCE_AFTER_MS).unref();
  await closers.close().catch(() => undefined);
  process.exit(code);
}

/** Prints a message to stderr. @returns the exit code for an error */
export function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}
