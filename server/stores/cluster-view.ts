import keySlot from 'cluster-key-slot';
import { z } from 'zod';
import type { Address } from './addresses.ts';

export const SLOTS = 16_384;

/** The slot of a key, by its hash tag. */
export const slotOf = (key: string): number => keySlot(key);

/** Who serves what, as one node of a cluster sees it. */
export interface ClusterView {
  readonly ranges: readonly { readonly from: number; readonly to: number; readonly master: Address }[];
  /** Masters and replicas: any of them can be asked the next time. */
  readonly nodes: readonly Address[];
}

const node = z.tuple([z.string().nullable(), z.number()]).rest(z.unknown());
const slotsReply = z.array(z.tuple([z.number(), z.number(), node]).rest(node));

/**
 * Undefined: the node sees no working cluster, as one does that was cut off from the others, so that what it says of them
 * is old.
 * @param askedHost stands for a host that the node does not know of itself
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

/** Where a refusal by `MOVED` sends its sender; undefined: it is none, or does not tell. */
export function movedTo(message: string, askedHost: string): { slot: number; master: Address } | undefined {
  const [, slot, host, port] = /^MOVED (\d+) (.*):(\d+)/.exec(message) ?? [];
  if (slot === undefined || Number(slot) >= SLOTS || host === '?') return undefined;
  return { slot: Number(slot), master: { host: host || askedHost, port: Number(port) } };
}
