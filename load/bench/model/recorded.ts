/*
 * Medians of the benches `watch`, `scale` and `renew` (load/bench/README.md), on two cores with Node 20 and Redis 7.0.
 * `npm run bench -- model` does not measure them again.
 */

/** `watch`, 2 000 watchers: deliveries per second of the server's processor time, at two rates of changes. */
export const watching = {
  watchers: 2_000,
  framesPerS: 40,
  /** Bytes of a seat in a delta of that bench, whose names are longer than usual. */
  seatBytes: 22,
  calm: { changesPerS: 100, deliveriesPerCpuS: 168_000 },
  busy: { changesPerS: 5_000, deliveriesPerCpuS: 161_000 },
} as const;

/** `scale`: receiving and applying a message of the feed, and each seat in it. */
export const feed = { messageUs: 40, seatUs: 6 } as const;

/** `watch`: a join, without sending its bytes. */
export const joinUs = 130;
/** `watch`: a watcher, and the process itself with a young generation that has grown to its full size. */
export const watcherKib = 2.4;
export const serverMib = 250;

/** `renew`: a heartbeat of a session with four leases, at a thousand heartbeats a second. */
export const beat = { serverUs: 410, redisUs: 190 } as const;

/** `watch` and `scale`, 100 changes/s: results that no cost was derived from, to check the model with. */
export const crowds = [
  { watchers: 10_000, deliveriesPerCpuS: 155_000 },
  { watchers: 8_000, deliveriesPerCpuS: 147_000 },
] as const;

/**
 * `scale`, 1 000 changes/s: µs of Redis for each change and each further server that follows the show. These servers shared two cores
 * with Redis. Connections that only listen cost 4 to 5 µs each in one process, and 8 to 9 in processes of their own.
 */
export const wokenUsPerServer = 25;
