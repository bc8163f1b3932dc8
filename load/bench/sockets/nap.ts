let napMs = 0;

/**
 * Between naps of this length everything that has come is read at once, from the kernel's buffers: a read for every frame
 * would make this process the busiest of all. 0: read at once.
 */
export function nap({ ms }: { ms: number }): void {
  const napping = napMs > 0;
  napMs = ms;
  if (!napping) napAndRead();
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));
function napAndRead(): void {
  if (napMs === 0) return;
  Atomics.wait(sleeper, 0, 0, napMs);
  // The sockets are read between two of these.
  setImmediate(napAndRead);
}
