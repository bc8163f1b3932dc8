/*
 * What other benches have measured, on two cores with Node 20 and Redis 7.0, and `npm run bench -- model` does not measure again: the medians of
 * `watch`, `scale` and `renew` (load/bench/README.md).
 */

/** `watch`, 2 000 watchers: processors of the server, at two rates of changes of one seat. */
export const watching = {
  watchers: 2_000,
  framesPerS: 40,
  /** A seat in a delta there: names are longer than usual. */
  seatBytes: 22,
  calm: { changesPerS: 100, deliveriesPerCpuS: 168_000 },
  busy: { changesPerS: 5_000, deliveriesPerCpuS: 161_000 },
} as const;

/** `scale`: a batch that the feed brings, applied; and a seat in it. */
export const feed = { messageUs: 40, seatUs: 6 } as const;

/** `watch`: a join without its bytes. */
export const joinUs = 130;
/** `watch`; beside them the process, with a young generation that has grown to its size. */
export const watcherKib = 2.4;
export const serverMib = 250;

/** `renew`: a beat of a session with four leases, when a thousand a second beat. */
export const beat = { serverUs: 410, redisUs: 190 } as const;

/** `watch` and `scale`, 100 changes/s: what was not calibrated with. */
export const crowds = [
  { watchers: 10_000, deliveriesPerCpuS: 155_000 },
  { watchers: 8_000, deliveriesPerCpuS: 147_000 },
] as const;

/**
 * `scale`, 1 000 changes/s: µs of Redis a change for each server more that follows the show. Those share two cores with Redis: connections
 * that only listen cost it 4 to 5 each in one process, 8 to 9 in a process each.
 */
export const wokenUsPerServer = 25;
