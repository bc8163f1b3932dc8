let napMs = 0;

/**
 * Makes this process sleep for so long again and again. Between two naps it reads everything that has arrived in the kernel's
 * buffers: a read for every frame would make it the busiest process of all. 0: no naps.
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
  // The event loop reads the sockets between two turns.
  setImmediate(napAndRead);
}
