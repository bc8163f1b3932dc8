import { setTimeout as pause } from 'node:timers/promises';
import { lockKey } from '../../server/leases/keys.ts';
import { type HistoryRecorder, machineMs } from '../history.ts';
import { RedisSocket } from './redis-socket.ts';

export interface LiarOptions {
  readonly redisUrl: string;
  readonly showId: string;
  readonly seatIds: readonly string[];
  /** The average time between two deletions. */
  readonly everyMs: number;
  readonly recorder: HistoryRecorder;
}

export interface Liar {
  /** How many locks were deleted. */
  readonly lies: number;
  stop(): Promise<void>;
}

/** Deletes the locks of random seats in Redis at random moments, without the server knowing, and records when it did. */
export async function startLiar(options: LiarOptions): Promise<Liar> {
  const redis = await RedisSocket.connect(options.redisUrl);
  const ending = new AbortController();
  const state = { lies: 0 };
  const lying = (async () => {
    while (!ending.signal.aborted) {
      // Exponentially distributed, so that every moment is equally likely.
      const gapMs = Math.min(-Math.log(1 - Math.random()), 5) * options.everyMs;
      await pause(gapMs, undefined, { signal: ending.signal }).catch(() => undefined);
      if (!ending.signal.aborted && (await lie(redis, options))) state.lies++;
    }
  })();
  lying.catch(() => undefined);
  return {
    get lies() {
      return state.lies;
    },
    stop: async () => {
      ending.abort();
      await lying.finally(() => redis.close());
    },
  };
}

async function lie(redis: RedisSocket, { showId, seatIds, recorder }: LiarOptions): Promise<boolean> {
  const seatId = seatIds[Math.floor(Math.random() * seatIds.length)] ?? '';
  const ms = machineMs();
  const deleted = (await redis.command(`DEL ${lockKey(showId, seatId)}`)) === ':1';
  if (deleted) recorder.fault({ ms, name: 'lock deleted', forgets: true, showId, seatIds: [seatId] });
  return deleted;
}
