import { z } from 'zod';
import { withDeadline } from '../clock.ts';
import { sample } from '../observability/self-report.ts';

/* Messages between the first process and its workers: JSON over the IPC channel of Node's `fork`. */

const id = z.int();

export const toWorker = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('serve'),
    /** The number of its place, from 1 to WORKERS. A successor gets the same. */
    worker: z.int(),
    port: z.int(),
    databaseUrl: z.string(),
    redisUrl: z.string(),
  }),
  z.object({ type: z.literal('drain') }),
  z.object({ type: z.literal('ping'), id }),
  z.object({ type: z.literal('ask'), id }),
  z.object({ type: z.literal('scraped'), id, text: z.string() }),
]);

export const fromWorker = z.discriminatedUnion('type', [
  z.object({ type: z.literal('listening') }),
  z.object({ type: z.literal('failed'), reason: z.string() }),
  /** Sent at once, whatever the stores do. */
  z.object({ type: z.literal('pong'), id }),
  z.object({ type: z.literal('report'), id, samples: z.array(sample) }),
  /** Sent before the worker ends, so that nothing it counted is lost. */
  z.object({ type: z.literal('last'), samples: z.array(sample) }),
  z.object({ type: z.literal('scrape'), id }),
]);

export type ToWorker = z.infer<typeof toWorker>;
export type FromWorker = z.infer<typeof fromWorker>;

/** Questions to the other process: each is answered, or rejects with `DeadlineError`. */
export class Questions<Answer> {
  readonly #open = new Map<number, (answer: Answer) => void>();
  #last = 0;

  ask(send: (id: number) => void, deadlineMs: number): Promise<Answer> {
    this.#last += 1;
    const id = this.#last;
    const answer = new Promise<Answer>((resolve) => {
      this.#open.set(id, resolve);
      send(id);
    });
    return withDeadline(answer, deadlineMs).finally(() => this.#open.delete(id));
  }

  /** An answer that comes too late is ignored. */
  answered(id: number, answer: Answer): void {
    this.#open.get(id)?.(answer);
  }
}
