import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerFrame } from '../../protocol/index.ts';
import { startApp } from '../app.ts';
import { Closers } from '../closers.ts';
import type { PostgresService } from '../dev/postgres.ts';
import type { RedisService } from '../dev/redis.ts';
import { createLog } from '../observability/log.ts';
import { migrate } from '../stores/migrate.ts';
import { testConfig } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { startOwnPostgres, startRedis } from './harness/services.ts';

/**
 * What they state: a hold is answered within 0.4 s (two calls to Redis), a confirm within 1.2 s. Clients here wait 5 s for
 * any reply, more than three times as long: one that comes later fails the test, however busy the machine.
 */
const settings = {
  REDIS_TIMEOUT_MS: '200',
  LOCK_TIMEOUT_MS: '200',
  STATEMENT_TIMEOUT_MS: '400',
  CONFIRM_DEADLINE_MS: '800',
  GUARD_MS: '1500',
  // Nobody beats while stores come and go.
  LEASE_TTL_MS: '120000',
};
const GOES_ON = { ...POLL, timeout: 20_000 };

type Store = 'redis' | 'postgres';
const stores: readonly Store[] = ['redis', 'postgres'];
const other = (store: Store): Store => (store === 'redis' ? 'postgres' : 'redis');

const closers = new Closers();
const crowd = new Crowd();
let redis: RedisService;
let postgres: PostgresService;
/** The one server, from the first order to the last. */
let url: string;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startOwnPostgres()]);
  closers.opened(undefined, async () => {
    await Promise.all([redis.stop(), postgres.stop()]);
  });
  await migrate({ url: postgres.url, log: createLog('silent') });
  const config = { ...testConfig(settings), redisUrl: redis.url, databaseUrl: postgres.url };
  const app = closers.opened(await startApp(config, createLog('silent')), (it) => it.stop());
  url = `http://127.0.0.1:${app.port}`;
});
afterAll(async () => {
  await crowd.leave();
  await closers.close();
});

async function kill(store: Store): Promise<void> {
  const service = store === 'redis' ? redis : postgres;
  // PostgreSQL takes its backends with it at once, without a goodbye to anybody.
  service.signal(store === 'redis' ? 'SIGKILL' : 'SIGQUIT');
  await service.exited;
}

/** At its old address: Redis empty, PostgreSQL with what was committed. */
async function start(store: Store): Promise<void> {
  if (store === 'redis') redis = await startRedis({ port: redis.port, dir: redis.dir });
  else postgres = await startOwnPostgres({ port: postgres.port, dataDir: postgres.dataDir });
}

/** `readyz` tells the truth by itself. */
const told = (up: Readonly<Record<Store, boolean>>): Promise<unknown> => {
  const ask = async () => {
    const { status, body } = await call(url, '/readyz');
    return { status, redis: body['redis'], postgres: body['postgres'] };
  };
  const ready = up.redis && up.postgres;
  return expect.poll(ask, GOES_ON).toEqual({ status: ready ? 200 : 503, ...up });
};

/** A confirm or hold that nothing became of, or of which nobody knows yet: it may be said again. */
const again = (reply: ServerFrame): boolean => reply.type === 'error' && reply.retryable;
const ask = (client: Guest, frame: Parameters<Guest['send']>[0]) => client.reply(client.send(frame));

async function unavailable(client: Guest, frame: Parameters<Guest['send']>[0]): Promise<void> {
  const { code } = await client.refusal(frame);
  // Of a confirm that was under way when its connection broke nobody knows.
  expect(frame.type === 'confirm' ? ['unavailable', 'outcome_unknown'] : ['unavailable']).toContain(code);
}

/** Repeats it until it has its outcome. */
async function outcome(client: Guest, frame: Parameters<Guest['send']>[0]): Promise<ServerFrame> {
  let reply = await ask(client, frame);
  const settles = async () => {
    if (again(reply)) reply = await ask(client, frame);
    return again(reply);
  };
  await expect.poll(settles, GOES_ON).toBe(false);
  return reply;
}

describe.each(stores)('%s fails first', (first) => {
  it.each(stores)(
    'and %s comes back first: typed refusals in time, and nobody restarts anything',
    async (back) => {
      const showId = `${first}-${back}`;
      const seats = ['A1', 'A2', 'A3', 'A4', 'A5'];
      await call(url, '/shows', { id: showId, name: showId, seats });
      const [alice, bob] = [await crowd.join(url), await crowd.join(url)];
      await alice.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
      const [one, two] = [confirmOf(showId, ['A1']), confirmOf(showId, ['A2'])];
      const hold = (seatId: string) => ({ type: 'hold' as const, showId, seatIds: [seatId] });

      await kill(first);
      await told({ redis: first !== 'redis', postgres: first !== 'postgres' });
      if (first === 'redis') {
        await unavailable(bob, hold('A3'));
        expect(await outcome(alice, one)).toMatchObject({ type: 'confirmed' });
      } else {
        expect(await outcome(bob, hold('A3'))).toMatchObject({ type: 'held' });
        await unavailable(alice, one);
      }

      await kill(other(first));
      await told({ redis: false, postgres: false });
      await unavailable(bob, hold('A4'));
      await unavailable(alice, two);

      await start(back);
      await told({ redis: back === 'redis', postgres: back === 'postgres' });
      // Without Redis nobody holds; a Redis that forgot everything begins anew with what PostgreSQL knows.
      await unavailable(bob, hold('A4'));
      if (back === 'postgres') expect(await outcome(alice, two)).toMatchObject({ type: 'confirmed' });
      else await unavailable(alice, two);

      await start(other(back));
      await told({ redis: true, postgres: true });
      expect(await outcome(bob, hold('A5'))).toMatchObject({ type: 'held' });
      expect(await outcome(bob, confirmOf(showId, ['A5']))).toMatchObject({ type: 'confirmed' });
      // What was open is known in the end, and is what the tables say.
      for (const confirm of [one, two]) {
        const { type } = await outcome(alice, confirm);
        const { status } = await call(url, `/bookings/${confirm.requestId}`);
        expect({ type, status }).toEqual(
          type === 'confirmed' ? { type, status: 200 } : { type: 'error', status: 404 },
        );
      }
      const stranger = confirmOf(showId, ['A4'], randomUUID());
      expect(await outcome(bob, stranger)).toMatchObject({ type: 'error', code: 'lease_lost' });
    },
  );
});
