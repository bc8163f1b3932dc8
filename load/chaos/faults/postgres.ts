import { setTimeout as pause } from 'node:timers/promises';
import type { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import { judgeOthers } from '../judge.ts';
import { CALM_MS } from '../players/pace.ts';
import { expectDown, type Fault, type Scene, target } from './fault.ts';
import { cannotMount } from './privileges.ts';
import { inTime } from './wait.ts';
import { fillWalDisk, walOnSmallDisk } from './wal-disk.ts';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
/** A call that books names its request. So does one that refunds, which is rarer. */
const isConfirm = (request: Buffer): boolean => UUID.test(request.toString('latin1'));

const DEADLINE_MS = 5_000;
const SLOTS = 30;

/** For a while, kills backends that are in the middle of a confirm. @returns how many */
async function killBackends({ ground, moment }: Scene): Promise<number> {
  const stranger = await ground.postgres.connect();
  const untilMs = performance.now() + moment.lengthMs;
  const text = `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))::int AS killed FROM (SELECT pid FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE '%confirm_bookings%' AND pid <> pg_backend_pid() LIMIT 1) AS busy`;
  let killed = 0;
  try {
    while (performance.now() < untilMs) {
      killed += Number((await stranger.query(text, [], DEADLINE_MS))[0]?.['killed'] ?? 0);
      await pause(killed > 0 ? 150 : 1);
    }
  } finally {
    await stranger.close();
  }
  return killed;
}

/** For a while, takes all free connections, and each that becomes free. */
async function takeSlots({ ground, moment }: Scene): Promise<number> {
  const taken: PostgresConnection[] = [];
  const untilMs = performance.now() + moment.lengthMs;
  let refusals = 0;
  for (const { toPostgres } of ground.servers) toPostgres.reset();
  while (performance.now() < untilMs) {
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => ground.postgres.connect()));
    for (const one of tries) if (one.status === 'fulfilled') taken.push(one.value);
    const refused = tries.filter(({ status }) => status === 'rejected').length;
    refusals += refused;
    if (refused > 0) await pause(20);
  }
  await Promise.all(taken.map((connection) => connection.close()));
  return refusals;
}

export const postgresFaults: readonly Fault[] = [
  {
    name: 'postgres-killed',
    row: 'Postgres dies under confirms',
    span: { lengthMs: [600, 1_500], restMs: 2_500 },
    strike: async (scene) => {
      const { ground, moment } = scene;
      await ground.postgres.kill();
      await Promise.all([pause(moment.lengthMs), expectDown(scene, ground.servers, 'postgres')]);
      await ground.postgres.startAgain();
      return true;
    },
  },
  {
    name: 'backend-killed',
    row: 'one backend killed in mid-confirm',
    span: { lengthMs: [700, 1_200], restMs: 400 },
    strike: async (scene) => (await killBackends(scene)) > 0,
  },
  {
    name: 'commit-reply-lost',
    row: "the commit's reply is lost",
    span: { lengthMs: [100, 100], restMs: 300 },
    strike: async (scene) => {
      const { toPostgres } = target(scene);
      const dropped = await inTime(toPostgres.dropNextReply(isConfirm), 3_000);
      toPostgres.pass();
      return dropped;
    },
  },
  {
    name: 'postgres-frozen',
    row: 'Postgres frozen',
    span: { lengthMs: [1_800, 2_600], restMs: 3_000 },
    strike: async (scene) => {
      const { ground, moment } = scene;
      ground.postgres.freeze();
      await Promise.all([pause(moment.lengthMs), expectDown(scene, ground.servers, 'postgres')]);
      ground.postgres.thaw();
      return true;
    },
  },
  {
    name: 'row-locked',
    row: 'a stranger locks a row for 30 s',
    span: { lengthMs: [1_500, 30_000], restMs: 1_000, longest: true },
    strike: async (scene) => {
      const { ground, showIds, moment, players } = scene;
      const stranger = await ground.postgres.connect();
      const normal = await players.call('paces', CALM_MS);
      const shows = showIds.map((showId) => `'${showId}'`).join();
      await stranger.script('BEGIN', DEADLINE_MS);
      const locked = await stranger.query(
        `SELECT id FROM seats WHERE (show_id, id) IN (SELECT show_id, min(id) FROM seats
          WHERE show_id IN (${shows}) AND status = 'AVAILABLE' AND length(id) < 4 GROUP BY show_id) FOR UPDATE`,
        [],
        DEADLINE_MS,
      );
      const sold = async () =>
        Number(
          (
            await ground.postgres.query(`SELECT count(*)::int AS n FROM bookings WHERE show_id IN (${shows})`)
          )[0]?.['n'],
        );
      const before = await sold();
      scene.judged(judgeOthers('confirmedMs', normal, await players.call('paces', moment.lengthMs)));
      if ((await sold()) <= before) scene.problem('nobody could buy other seats while some were locked');
      await stranger.script('ROLLBACK', DEADLINE_MS);
      await stranger.close();
      return locked.length > 0;
    },
  },
  {
    name: 'wal-disk-full',
    row: 'disk of the WAL full',
    span: { lengthMs: [1_000, 1_500], restMs: 3_000 },
    missing: cannotMount,
    prepare: walOnSmallDisk,
    strike: fillWalDisk,
  },
  {
    name: 'slots-exhausted',
    row: 'connection slots exhausted',
    span: { lengthMs: [1_000, 1_800], restMs: 2_500 },
    prepare: async ({ postgres }) => {
      await postgres.restart({ max_connections: String(SLOTS) });
      return () => postgres.restart();
    },
    strike: async (scene) => (await takeSlots(scene)) > 0,
  },
];
