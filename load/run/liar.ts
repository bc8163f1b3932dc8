import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { lockKey } from '../../server/leases/keys.ts';
import { type HistoryRecorder, machineMs } from '../history.ts';

const ANSWER_WITHIN_MS = 2_000;

export interface LiarOptions {
  readonly redisUrl: string;
  readonly showId: string;
  readonly seatIds: readonly string[];
  /** On average. */
  readonly everyMs: number;
  readonly recorder: HistoryRecorder;
}

export interface Liar {
  /** Locks that were there and are not any more. */
  readonly lies: number;
  stop(): Promise<void>;
}

/** Deletes the lock of a seat at random moments, behind the server's back, and writes down when it did. */
export async function startLiar(options: LiarOptions): Promise<Liar> {
  const redis = await connectRedis(new URL(options.redisUrl));
  const ending = new AbortController();
  const state = { lies: 0 };
  const lying = (async () => {
    while (!ending.signal.aborted) {
      // Exponential: no moment is likelier than another.
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
      await lying.finally(() => redis.destroy());
    },
  };
}

async function lie(redis: Socket, { showId, seatIds, recorder }: LiarOptions): Promise<boolean> {
  const seatId = seatIds[Math.floor(Math.random() * seatIds.length)] ?? '';
  const ms = machineMs();
  const deleted = (await command(redis, `DEL ${lockKey(showId, seatId)}`)) === ':1';
  if (deleted) recorder.fault({ ms, name: 'lock deleted', forgets: true, showId, seatIds: [seatId] });
  return deleted;
}

/** One command at a time over a plain socket: the only Redis client of the project is the server's own. */
function command(redis: Socket, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => finish(new Error('Redis gives no answer')), ANSWER_WITHIN_MS);
    const answered = (data: Buffer) => finish(undefined, data.toString().trim());
    const closed = () => finish(new Error('Redis hung up'));
    const finish = (error: Error | undefined, answer = '') => {
      clearTimeout(timer);
      redis.off('data', answered).off('close', closed);
      if (error) reject(error);
      else resolve(answer);
    };
    redis.on('data', answered).on('close', closed);
    redis.write(`${line}\r\n`);
  });
}

async function connectRedis({ hostname, port, username, password }: URL): Promise<Socket> {
  const socket = connect({ host: hostname, port: Number(port) || 6379 });
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve()).once('close', () => reject(new Error('no Redis for the liar')));
  });
  if (password === '') return socket;
  const login = [username || 'default', password].map(decodeURIComponent).join(' ');
  if ((await command(socket, `AUTH ${login}`)) !== '+OK') throw new Error('Redis refuses the liar');
  return socket;
}
