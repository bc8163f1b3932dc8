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

/**
 * Runs `then` when the time is over and whatever had come by then was read. After a stall of the event loop (garbage collected, a
 * machine with no time for us) timers run before sockets: an answer that lay there in time would count as none.
 * @returns what takes it back
 */
export function fairTimeout(then: () => void, ms: number): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(then);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/**
 * Settles like `promise`, or rejects with `DeadlineError` after `ms`, by a fair timeout. The loser of the race is ignored, never
 * unhandled.
 */
export function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = fairTimeout(() => reject(new DeadlineError(ms)), ms);
    promise.then(resolve, reject).finally(cancel);
  });
}
