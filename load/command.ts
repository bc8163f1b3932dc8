import { Closers } from '../server/closers.ts';
import { progress } from './bench/kit/progress.ts';

/** Afterwards it ends with whatever is still open. */
const FORCE_AFTER_MS = 30_000;
const INTERRUPTED = 130;

/** A command at the terminal while it runs. */
export interface Command {
  /** Whatever is opened is added: it is closed at the end, and by Ctrl-C. */
  readonly closers: Closers;
  /** Somebody wants it to end: what was started is being closed. */
  readonly interrupted: boolean;
  /** What it is doing now; silent once it is interrupted. */
  say(what: string): void;
}

/**
 * Runs `main` and ends the process with its code, after everything it opened was closed in reverse order; so too on a signal.
 * @param usage said beside whatever went wrong
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
        // npm passes on what the terminal has sent already.
        if (interrupted) return;
        progress('ending what was started');
        interrupted = true;
        resolve(INTERRUPTED);
      });
    }
  });
  const done = main(command).catch((error: unknown) => {
    // What ends beneath it because it is interrupted is no failure of its own.
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

/** One line, or a few, on stderr. @returns the exit code of what went wrong */
export function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}
