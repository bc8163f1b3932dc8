import type { Client } from './client.ts';
import { named, textFrame } from './frames.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';

export interface BurstOptions {
  readonly showId: string;
  /** The first of `count` seats. */
  readonly from: number;
  readonly count: number;
  /** The seat whose row is locked. Its answer is not waited for. */
  readonly blocked?: number;
}

/** The result of a burst: `lastMs` until the last answer that is waited for. */
interface Answered {
  readonly lastMs: number;
}

const WITHIN_MS = 20_000;
/** The answers that were not waited for. */
const left: Promise<string>[] = [];

/** Sends holds of all seats in one write and, when all are granted, their confirms in another. */
export async function burst(client: Client, options: BurstOptions): Promise<Answered> {
  const { showId, from, count, blocked = -1 } = options;
  const seats = Array.from({ length: count }, (_, i) => from + i);
  const place = (seat: number) => ({ id: named(seat), showId, seatIds: [named(seat)] });
  const holds = seats.map((seat) => ({ type: 'hold', ...place(seat) }));
  const held = await Promise.all(answers(client, holds, seats).values());
  if (held.some((outcome) => outcome !== 'held'))
    throw new Error('a seat that nobody else wants is not free');
  const run = Date.now().toString(16).slice(-8);
  const confirms = seats.map((seat) => {
    const requestId = `${run}-0000-4000-8000-${named(seat)}`;
    return { type: 'confirm', ...place(seat), requestId };
  });
  const fromMs = performance.now();
  const confirmed = answers(client, confirms, seats);
  const late = confirmed.get(blocked);
  if (late !== undefined) left.push(late);
  const outcomes = await Promise.all(
    seats.filter((seat) => seat !== blocked).map((seat) => confirmed.get(seat)),
  );
  const lastMs = performance.now() - fromMs;
  const odd = outcomes.find((outcome) => outcome !== 'confirmed');
  if (odd !== undefined) throw new Error(`a seat that nobody else wants was answered ${odd}`);
  return { lastMs };
}

/** The answers that no burst waited for. */
export const leftOver = (): Promise<string[]> => Promise.all(left.splice(0));

function answers(
  client: Client,
  frames: readonly object[],
  ids: readonly number[],
): Map<number, Promise<string>> {
  const settle = new Map<number, (outcome: string) => void>();
  const waiting = ids.map((id) => {
    const answer = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a request of a burst got no answer')), WITHIN_MS);
      settle.set(id, (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      });
    });
    return [id, answer] as const;
  });
  client.onRead = () => undefined;
  const before = client.onReply;
  client.onReply = (kind, bytes, from, to) => {
    if (kind === kinds.lease_lost) return;
    const settled = settle.get(idOf(bytes, from));
    // An answer to the previous burst, which did not wait for it.
    if (settled === undefined) return before(kind, bytes, from, to);
    if (kind === kinds.error) settled(codeOf(bytes, from));
    else settled(kind === kinds.held ? 'held' : 'confirmed');
  };
  client.write(Buffer.concat(frames.map((frame) => textFrame(JSON.stringify(frame)))));
  return new Map(waiting);
}
