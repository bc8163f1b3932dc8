/** Between two looks at what came and what is due; replies are seen so much later at the most. */
const NAP_MS = 0.2;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

export interface Pace {
  /** A rate that changes is asked for with the milliseconds since the begin. */
  readonly perS: number | ((sinceMs: number) => number);
  readonly forMs: number;
  /** The nth request, from 0 on, is due; `atMs` is when it was, whether anybody was free to send it or not. */
  readonly due: (n: number, atMs: number) => void;
  /** Looked at between two naps. */
  readonly between?: () => void;
}

/**
 * Requests at random moments, so many per second, whatever has become of those before. Times are to be taken from when a request
 * was due: a server that is slow may not make its clients ask later, and so look quick.
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
        // Sockets are read between two of these.
        setImmediate(turn);
      } catch (error) {
        reject(error);
      }
    };
    turn();
  });
}
