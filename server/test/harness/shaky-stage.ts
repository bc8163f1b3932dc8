import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { openStage, type TestApp, type TestStage } from './app-kit.ts';
import { Backdoor, POLL } from './backdoor.ts';
import { Crowd } from './crowd.ts';
import { call } from './http.ts';
import { FaultProxy } from './proxy.ts';

/** A dead server's guards run out soon; nothing else is in a hurry. */
export const shakyTimes = {
  REDIS_TIMEOUT_MS: '600',
  LOCK_TIMEOUT_MS: '600',
  STATEMENT_TIMEOUT_MS: '900',
  CONFIRM_DEADLINE_MS: '1800',
  GUARD_MS: '2500',
};

/**
 * Two servers on one Redis and one Postgres, and the clients of both. The first reaches its stores through proxies, which can
 * be disturbed; the other reaches them directly. `close` ends all of it.
 */
export interface ShakyStage extends TestStage {
  readonly shaky: TestApp;
  readonly other: TestApp;
  readonly toRedis: FaultProxy;
  readonly toPostgres: FaultProxy;
  readonly backdoor: Backdoor;
  readonly crowd: Crowd;
  /** Ends every fault; resolves when the disturbed server reaches both stores again. For `afterEach`. */
  mend(): Promise<void>;
  /** Resolves when the disturbed server reaches both stores again. */
  recovered(): Promise<void>;
}

export async function openShakyStage(): Promise<ShakyStage> {
  const stage = await openStage();
  const [toRedis, toPostgres] = await Promise.all([
    FaultProxy.before(stage.redis.url),
    FaultProxy.before(stage.database.url),
  ]);
  const ways = {
    redisUrl: toRedis.urlFor(stage.redis.url),
    databaseUrl: toPostgres.urlFor(stage.database.url),
  };
  const [shaky, other] = await Promise.all([stage.start(shakyTimes, ways), stage.start(shakyTimes)]);
  const [backdoor, crowd] = [new Backdoor(stage), new Crowd()];
  await stage.createShow('scratch');
  const recovered = () => expect.poll(() => reachesBoth(shaky), POLL).toBe(true);
  return {
    ...stage,
    ...{ shaky, other, toRedis, toPostgres, backdoor, crowd, recovered },
    mend: async () => {
      toRedis.pass();
      toPostgres.pass();
      await recovered();
    },
    close: async () => {
      await crowd.leave();
      await backdoor.close();
      await stage.close();
      await Promise.all([toRedis.stop(), toPostgres.stop()]);
    },
  };
}

async function reachesBoth({ url }: TestApp): Promise<boolean> {
  const body = () => ({ show_id: 'scratch', seat_ids: ['A1'], user_id: randomUUID() });
  const lock = await call(url, '/seat-lock', body());
  const confirm = await call(url, '/booking/confirm', { ...body(), request_id: randomUUID() });
  return lock.status < 500 && confirm.status < 500;
}
