import { writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { lockKey } from '../../../server/leases/keys.ts';
import type { FaultProxy } from '../../../server/test/harness/proxy.ts';
import { machineMs } from '../../history.ts';
import { RedisSocket } from '../../run/redis-socket.ts';
import type { Ground } from '../ground/ground.ts';
import { times } from '../ground/server-stand.ts';
import { expectDown, type Fault, type Scene, target } from './fault.ts';
import { inTime } from './wait.ts';

const long: readonly [number, number] = [times.leaseTtlMs + 500, times.leaseTtlMs + 1_200];
const short: readonly [number, number] = [600, 1_000];

async function forAWhile(lengthMs: number, meanwhile: Promise<unknown>): Promise<void> {
  await Promise.all([pause(lengthMs), meanwhile]);
}

const both = ({ ground }: Scene): FaultProxy[] => ground.servers.map(({ toRedis }) => toRedis);

/** Some seats of one show that are held now. */
async function heldSeats({ ground, showIds, random }: Scene): Promise<{ showId: string; seatIds: string[] }> {
  const showId = random.pick(showIds);
  const reply = await ground.redis.command(`ZRANGE due:{${showId}} 0 9`);
  return { showId, seatIds: [...reply.matchAll(/^S\d+/gm)].map(([seatId]) => seatId) };
}

const MACHINE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const FAKETIME = `/usr/lib/${MACHINE}-linux-gnu/faketime/libfaketime.so.1`;
const JUMP_S = 60;
const fakeClock = ({ dir }: Ground): string => join(dir, 'clock');

export const redisFaults: readonly Fault[] = [
  {
    name: 'redis-killed',
    row: 'Redis dies, comes back empty',
    span: { lengthMs: [700, 1_500], restMs: 2_500 },
    forgets: true,
    strike: async (scene) => {
      const { ground, moment } = scene;
      await ground.redis.kill();
      await forAWhile(moment.lengthMs, expectDown(scene, ground.servers, 'redis'));
      await ground.redis.startAgain();
      return true;
    },
  },
  {
    name: 'redis-frozen',
    row: 'Redis frozen longer than a TTL',
    span: { lengthMs: long, restMs: 2_500 },
    strike: async (scene) => {
      const { ground, moment } = scene;
      ground.redis.freeze();
      await forAWhile(moment.lengthMs, expectDown(scene, ground.servers, 'redis'));
      ground.redis.thaw();
      return true;
    },
  },
  {
    name: 'redis-flushed',
    row: 'Redis lies: everything forgotten (FLUSHALL)',
    span: { lengthMs: [0, 0], restMs: 2_000 },
    forgets: true,
    strike: async ({ ground }) => (await ground.redis.command('FLUSHALL')) === '+OK',
  },
  {
    name: 'redis-lies',
    row: 'Redis lies: two owners of a seat (DEL)',
    span: { lengthMs: [500, 1_000], restMs: 500 },
    // The leases that this fault ends are recorded one by one.
    touches: [],
    strike: async (scene) => {
      const { ground, recorder, moment } = scene;
      const untilMs = performance.now() + moment.lengthMs;
      let lies = 0;
      while (performance.now() < untilMs) {
        const { showId, seatIds } = await heldSeats(scene);
        if (seatIds.length > 0) {
          const ms = machineMs();
          const reply = await ground.redis.command(
            `DEL ${seatIds.map((seatId) => lockKey(showId, seatId)).join(' ')}`,
          );
          recorder.fault({ ms, name: 'locks deleted', forgets: true, showId, seatIds });
          lies += Number(reply.slice(1));
        }
        await pause(20);
      }
      return lies > 0;
    },
  },
  {
    name: 'redis-failover',
    row: 'failover to a replica that lags',
    span: { lengthMs: [200, 600], restMs: 2_500 },
    forgets: true,
    // Seats that were released while the replica lagged may be held again, until the end of their leases.
    prolongsMs: times.checkoutMs + times.guardMs,
    strike: async ({ ground, moment, showIds }) => {
      const { redis } = ground;
      await redis.command('CONFIG SET repl-diskless-sync-delay 0');
      const replica = await redis.another();
      const admin = await RedisSocket.connect(replica.url);
      await admin.command(`REPLICAOF 127.0.0.1 ${redis.port}`);
      const isLinked = async () => /master_link_status:up/.test(await admin.command('INFO replication'));
      for (let i = 0; i < 200 && !(await isLinked()); i++) await pause(25);
      const linked = await isLinked();
      await admin.command('REPLICAOF NO ONE');
      // These writes never reach the replica.
      await pause(moment.lengthMs);
      const seqs = (ask: (line: string) => Promise<string>) =>
        Promise.all(showIds.map((showId) => ask(`HGET pos:{${showId}} seq`)));
      const [theirs, ours] = [
        await seqs((line) => admin.command(line)),
        await seqs((line) => redis.command(line)),
      ];
      admin.close();
      await redis.failOverTo(replica);
      return linked && theirs.join() !== ours.join();
    },
  },
  {
    name: 'redis-reply-lost',
    row: 'a reply is cut after the script ran',
    span: { lengthMs: [50, 50], restMs: 250 },
    strike: async (scene) => {
      const meant = (request: Buffer) => request.includes('evalsha') && request.includes('lock:{');
      const dropped = await inTime(target(scene).toRedis.dropNextReply(meant), 3_000);
      target(scene).toRedis.pass();
      return dropped;
    },
  },
  {
    name: 'feed-silent',
    row: "the subscriber's socket dies silently",
    span: { lengthMs: [1_000, 2_000], restMs: 1_500 },
    strike: async (scene) => {
      const { toRedis } = target(scene);
      const before = toRedis.connections;
      toRedis.deafen();
      const silenced = before - toRedis.connections;
      await pause(scene.moment.lengthMs);
      toRedis.pass();
      return silenced > 0;
    },
  },
  {
    name: 'redis-clock',
    row: 'clock of Redis jumps ±60 s',
    span: { lengthMs: [600, 1_200], restMs: 2_000 },
    forgets: true,
    prolongsMs: JUMP_S * 1_000 + 5_000,
    missing: () =>
      access(FAKETIME).then(
        () => undefined,
        () => `there is no ${FAKETIME} (Debian's faketime)`,
      ),
    prepare: async (ground) => {
      const clock = fakeClock(ground);
      writeFileSync(clock, '+0');
      const environment = {
        // With the malloc of libc, because jemalloc asks for the time before libfaketime is ready.
        ...{
          LD_PRELOAD: `${FAKETIME} libc.so.6`,
          FAKETIME_TIMESTAMP_FILE: clock,
          FAKETIME_CACHE_DURATION: '1',
        },
        ...{ FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' },
      };
      await ground.redis.restart({ environment });
      return () => ground.redis.restart();
    },
    strike: async ({ ground, moment, random }) => {
      const secondOf = async () =>
        Number(/^\d{9,}/m.exec(await ground.redis.command('TIME'))?.[0] ?? Number.NaN);
      const jump = async (to: string) => {
        const before = (await secondOf()) - Date.now() / 1_000;
        writeFileSync(fakeClock(ground), to);
        const moved = async () => Math.abs((await secondOf()) - Date.now() / 1_000 - before) > JUMP_S / 2;
        for (let i = 0; i < 80; i++)
          if (await moved()) return true;
          else await pause(25);
        return false;
      };
      const there = await jump(random.chance(0.5) ? `+${JUMP_S}` : `-${JUMP_S}`);
      await pause(moment.lengthMs);
      return (await jump('+0')) && there;
    },
  },
  {
    name: 'redis-full',
    row: 'Redis full',
    span: { lengthMs: [800, 1_500], restMs: 2_000 },
    strike: async ({ ground, moment }) => {
      const { redis } = ground;
      await redis.command('CONFIG SET maxmemory-policy noeviction');
      await redis.command('CONFIG SET maxmemory 1');
      const refused = await redis.command('SET full probe');
      await pause(moment.lengthMs);
      await redis.command('CONFIG SET maxmemory 0');
      return refused.startsWith('-OOM');
    },
  },
  {
    name: 'cut-off',
    row: 'server cut off from Redis only',
    span: { lengthMs: long, restMs: 2_000 },
    strike: async (scene) => {
      const server = target(scene);
      server.toRedis.blackHole();
      await forAWhile(scene.moment.lengthMs, expectDown(scene, [server], 'redis'));
      server.toRedis.pass();
      return true;
    },
  },
  {
    name: 'redis-slow',
    row: 'a bad network to Redis: sliced, delayed, throttled, cut',
    span: { lengthMs: short, restMs: 1_000 },
    strike: async (scene) => {
      const kinds = [
        (proxy: FaultProxy) => proxy.slice(64),
        (proxy: FaultProxy) => proxy.delay(60),
        (proxy: FaultProxy) => proxy.throttle(40_000),
        (proxy: FaultProxy) => proxy.cut(),
      ];
      for (const proxy of both(scene)) scene.random.pick(kinds)(proxy);
      await pause(scene.moment.lengthMs);
      for (const proxy of both(scene)) proxy.pass();
      return true;
    },
  },
];
