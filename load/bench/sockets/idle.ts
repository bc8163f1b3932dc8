import { randomUUID } from 'node:crypto';
import type { Client } from './client.ts';
import { named } from './frames.ts';
import { kinds } from './reply-reader.ts';

export interface IdleOptions {
  readonly showId: string;
  /** The first of `count` seats. */
  readonly from: number;
  readonly count: number;
}

/** Sends one small request after the other, each answered `held`. @returns the milliseconds that each took */
export async function idleHops(client: Client, count: number): Promise<number[]> {
  const tookMs: number[] = [];
  client.onRead = () => undefined;
  for (let i = 0; i < count; i++) {
    const fromMs = performance.now();
    await client.ask('{"type":"hold","id":"1"}');
    tookMs.push(performance.now() - fromMs);
  }
  return tookMs;
}

/** Makes one purchase after the other. @returns the milliseconds that each took */
export async function idlePurchases(
  client: Client,
  { showId, from, count }: IdleOptions,
): Promise<{ holdMs: number[]; confirmMs: number[] }> {
  const holdMs: number[] = [];
  const confirmMs: number[] = [];
  client.onRead = () => undefined;
  const timed = async (frame: object, wanted: number, into: number[]) => {
    const text = JSON.stringify(frame);
    const fromMs = performance.now();
    const kind = await client.ask(text);
    into.push(performance.now() - fromMs);
    if (kind !== wanted) throw new Error(`a request with nothing else going on was refused: ${text}`);
  };
  for (let seat = from; seat < from + count; seat++) {
    const place = { id: '1', showId, seatIds: [named(seat)] };
    await timed({ type: 'hold', ...place }, kinds.held, holdMs);
    await timed({ type: 'confirm', ...place, requestId: randomUUID() }, kinds.confirmed, confirmMs);
  }
  return { holdMs, confirmMs };
}
