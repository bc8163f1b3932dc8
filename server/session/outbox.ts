/** Something that has frames to send by the end of this turn. */
interface Pending {
  flush(): void;
}

let pending: Pending[] = [];

function flushAll(): void {
  const flushing = pending;
  pending = [];
  for (const sender of flushing) {
    try {
      sender.flush();
    } catch (error) {
      // A bug, and heard of as one; but what the others are owed leaves first: nothing would flush them again.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/**
 * Flushes once whatever is being answered now has been answered: a batch of a store answers many requests at once, often
 * several of one socket, and each write of a socket is a system call (with 16 requests of each socket in flight, replies that
 * leave together saved a third of the server's time). A tick, not a timer: a lone reply waits for nothing.
 */
export function flushSoon(sender: Pending): void {
  if (pending.push(sender) === 1) process.nextTick(flushAll);
}
