/** The deadline of a wait passed before its promise settled. What was waited for may still happen. */
export class DeadlineError extends Error {
  readonly afterMs: number;

  constructor(afterMs: number) {
    super(`no answer within ${afterMs} ms`);
    this.name = 'DeadlineError';
    this.afterMs = afterMs;
  }
}

/** Milliseconds of a clock that never jumps. Only differences mean anything; not comparable between processes. */
export const monotonicMs = (): number => performance.now();

/** Settles like `promise`, or rejects with `DeadlineError` after `ms`. The loser of the race is ignored, never unhandled. */
export function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DeadlineError(ms)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
