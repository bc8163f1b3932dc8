/** The time between two looks at what has arrived and what is due. Replies are noticed at most this much later. */
const NAP_MS = 0.2;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

export interface Pace {
  /** The rate, or a function that returns it for the milliseconds since the beginning. */
  readonly perS: number | ((sinceMs: number) => number);
  readonly forMs: number;
  /** Called when the nth request, from 0 on, is due. `atMs` is when it was due, even if it can only be sent later. */
  readonly due: (n: number, atMs: number) => void;
  /** Called between two naps. */
  readonly between?: () => void;
}

/**
 * Requests at random moments, so many per second, regardless of what became of earlier ones. Times must be taken from when a
 * request was due: otherwise a slow server would make its clients ask later, and so look fast.
 */
export function openLoop({ perS, forMs, due, between }: Pace): Promise<void> {
  const fromMs = performance.now();
  const rateAt = typeof perS === 'number' ? () => perS : (atMs: number) => perS(atMs - fromMs);
  const after = (atMs: number) => atMs + (-Math.log(1 - Math.random()) / rateAt(atMs)) * 1000;
  let nextMs = after(fromMs);
  let n = 0;
  return new Promise((resolve, reject) => {
    const turn = () => {
      try {
        const nowMs = performance.now();
        for (; nextMs <= nowMs; nextMs = after(nextMs)) due(n++, nextMs);
        between?.();
        if (nowMs - fromMs >= forMs) return resolve();
        const waitMs = Math.min(NAP_MS, nextMs - performance.now());
        if (waitMs > 0) Atomics.wait(sleeper, 0, 0, waitMs);
        // The event loop reads the sockets between two turns.
        setImmediate(turn);
      } catch (error) {
        reject(error);
      }
    };
    turn();
  });
}
