import keySlot from 'cluster-key-slot';
import { z } from 'zod';
import type { Address } from './addresses.ts';

export const SLOTS = 16_384;

/** The slot of a key, by its hash tag. */
export const slotOf = (key: string): number => keySlot(key);

/** Which master serves which slots, as one node of a cluster sees it. */
export interface ClusterView {
  readonly ranges: readonly { readonly from: number; readonly to: number; readonly master: Address }[];
  /** Masters and replicas, to be asked the next time. */
  readonly nodes: readonly Address[];
}

const node = z.tuple([z.string().nullable(), z.number()]).rest(z.unknown());
const slotsReply = z.array(z.tuple([z.number(), z.number(), node]).rest(node));

/**
 * Undefined: the node sees no working cluster. It may be cut off from the others, and what it says of them outdated.
 * @param askedHost used where the node does not know its own host
 */
export function readView(info: string, slots: unknown, askedHost: string): ClusterView | undefined {
  if (!/^cluster_state:ok\r?$/m.test(info)) return undefined;
  const addressOf = ([host, port]: z.infer<typeof node>): Address => ({ host: host || askedHost, port });
  const rows = slotsReply.parse(slots).filter(([, , [host]]) => host !== '?');
  return {
    ranges: rows.map(([from, to, master]) => ({ from, to, master: addressOf(master) })),
    nodes: rows.flatMap(([, , ...nodes]) => nodes.map(addressOf)),
  };
}

/** The slot and master that a `MOVED` refusal names; undefined: it is another error, or names none. */
export function movedTo(message: string, askedHost: string): { slot: number; master: Address } | undefined {
  const [, slot, host, port] = /^MOVED (\d+) (.*):(\d+)/.exec(message) ?? [];
  if (slot === undefined || Number(slot) >= SLOTS || host === '?') return undefined;
  return { slot: Number(slot), master: { host: host || askedHost, port: Number(port) } };
}
