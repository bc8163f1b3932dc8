import { Closers } from '../../../server/closers.ts';
import type { BareServer } from '../bare-server.ts';
import { type Child, startChild } from '../kit/child.ts';
import { startServer } from '../kit/servers.ts';
import type { Services, StoreCalls } from '../kit/services.ts';
import type { Changes, ChangesOptions } from '../sockets/changes.ts';
import {
  halfOfTheSampled,
  type Joined,
  joinCrowd,
  type Side,
  thinOut,
  type Watched,
  watchWhile,
  withWatchers,
} from './side.ts';
import { type Phase, phases, type Size } from './size.ts';

export interface Loads {
  /** How often the server built the map: by its own metric, by reads in Redis, and by statements in PostgreSQL. */
  readonly mapLoads: number;
  readonly redisLoads: number;
  readonly showReads: number;
  /** All scripts meanwhile, including those of sweeps and looks. */
  readonly redisScripts: number;
  readonly postgresReads: number;
}

export interface RateResult {
  readonly perS: number;
  readonly watchers: number;
  /** The rate that was really reached. */
  readonly changesPerS: number;
  readonly ours: Watched;
  readonly bare: Watched;
  /** All samples from a change to the screen. */
  readonly oursMs: readonly number[];
  readonly bareMs: readonly number[];
}

export interface RoundResult {
  readonly join: { readonly ours: Joined; readonly bare: Joined };
  readonly loads: Loads;
  readonly rates: readonly RateResult[];
}

export interface Show {
  readonly id: string;
  /** Seats that the generator changes. */
  readonly busy: readonly string[];
  /** Seats that the observer holds and releases. */
  readonly observed: readonly string[];
}

export interface RoundOptions {
  readonly services: Services;
  readonly show: Show;
  readonly size: Size;
  readonly closers: Closers;
  readonly flags: readonly string[];
  readonly say: (what: string) => void;
}

interface Stage {
  readonly ours: Side;
  readonly bare: Side & { readonly server: Child<BareServer> };
  readonly changes: Child<Changes>;
  readonly changing: Omit<ChangesOptions, 'perS'>;
}

/** Plays one round on new servers: one that already had memory from an earlier round would seem to need less. */
export async function round(options: RoundOptions): Promise<RoundResult> {
  const { services, show, size, say } = options;
  const closers = options.closers.opened(new Closers(), (opened) => opened.close());
  const stage = await openStage(options, closers);
  const { ours, bare } = stage;
  say('warming up');
  await warmUp(stage);

  say(`${size.watchers} join`);
  const before = await readLoads(services, ours);
  const answers = await observe(ours, show);
  const oursJoined = await joinCrowd(ours, show.id, size.watchers);
  const loads = difference(await readLoads(services, ours), before);
  say(`${size.watchers} join the bare server`);
  await bare.server.call('answerWith', answers);
  await observe(bare, show);
  const bareJoined = await joinCrowd(bare, show.id, size.watchers);
  for (const side of [ours, bare]) await observe(side, show);

  const results: RateResult[] = [];
  for (const phase of phases) {
    const watchers = phase.crowd === 'all' ? size.watchers : size.busyWatchers;
    say(`${phase.perS} changes per second, ${watchers} watchers`);
    for (const side of [ours, bare]) await thinOut(side, watchers);
    results.push({ watchers, ...(await watchPhase(stage, options, phase)) });
  }
  await closers.close();
  return { join: { ours: oursJoined, bare: bareJoined }, loads, rates: results };
}

async function openStage({ services, show, flags }: RoundOptions, closers: Closers): Promise<Stage> {
  const started = await startServer(services, flags);
  closers.opened(started.process, (server) => server.stop());
  const bareServer = closers.opened(
    startChild<BareServer>({ script: 'load/bench/bare-server.ts', flags: ['--expose-gc'] }),
    (server) => server.stop(),
  );
  const port = await bareServer.call('listen');
  const changes = closers.opened(startChild<Changes>({ script: 'load/bench/sockets/changes.ts' }), (child) =>
    child.stop(),
  );
  const { redisUrl } = services;
  return {
    ours: withWatchers(started.process, started.address, closers),
    bare: { ...withWatchers(bareServer, { host: '127.0.0.1', port }, closers), server: bareServer },
    changes,
    changing: { redisUrl, showId: show.id, seatIds: show.busy },
  };
}

/** Uses another show, so that the map of the measured show is not loaded yet. */
async function warmUp({ ours, bare }: Stage): Promise<void> {
  for (const side of [ours, bare]) {
    await side.crowd.call('join', { ...side.address, showId: 'demo', count: 50 });
    await side.crowd.call('leave', { keep: 0 });
  }
}

/** Starts half of the sampled watchers. Called before and after the crowd joins. */
function observe({ observer, address }: Side, show: Show) {
  return observer.call('observe', { ...address, showId: show.id, watchers: halfOfTheSampled });
}

async function watchPhase(
  stage: Stage,
  { show, size }: RoundOptions,
  { perS, seen }: Phase,
): Promise<Omit<RateResult, 'watchers'>> {
  const { ours, bare, changes, changing } = stage;
  const { windowMs } = size;
  // To warm up; not measured.
  await changeFor(stage, perS, windowMs / 3);
  const changesBefore = await changes.call('stop');
  await ours.observer.call('record');
  const oursWatched = await watchWhile(ours, () => changeFor(stage, perS, windowMs));
  const changed = (await changes.call('stop')) - changesBefore;
  const frames = await ours.observer.call('recorded');
  await bare.server.call('replay', { frames: frames.filter(({ atMs }) => atMs < windowMs / 3) });
  const bareWatched = await watchWhile(bare, () => bare.server.call('replay', { frames }));

  const forMs = seen ? size.seeMs : 0;
  const seeing = { showId: show.id, seatIds: show.observed, forMs };
  // At one change a second, the observer itself makes the changes.
  if (perS > 1 && seen) await changes.call('start', { ...changing, perS });
  const oursMs = await ours.observer.call('see', { ...seeing, bare: false });
  await changes.call('stop');
  const bareMs = await bare.observer.call('see', { ...seeing, bare: true });
  await changes.call('tidy', { ...changing, perS });
  const changesPerS = changed / (windowMs / 1000);
  return { perS, changesPerS, ours: oursWatched, bare: bareWatched, oursMs, bareMs };
}

async function changeFor({ changes, changing }: Stage, perS: number, forMs: number): Promise<void> {
  await changes.call('start', { ...changing, perS });
  await new Promise((resolve) => setTimeout(resolve, forMs));
  await changes.call('stop');
}

const SHOW = /FROM shows, LATERAL/;
const ANYTHING = /FROM (shows|seats)/;

async function readLoads(services: Services, { address }: Side): Promise<Loads> {
  const { redis, postgres }: StoreCalls = await services.calls();
  const metrics = await (await fetch(`http://${address.host}:${address.port}/metrics`)).text();
  const statements = [...postgres];
  const calls = (of: RegExp) => sum(statements.filter(([text]) => of.test(text)).map(([, count]) => count));
  return {
    mapLoads: Number(/^rowlock_map_loads_total (\d+)/m.exec(metrics)?.[1]),
    redisLoads: redis.get('hgetall') ?? 0,
    showReads: calls(SHOW),
    redisScripts: (redis.get('evalsha') ?? 0) + (redis.get('eval') ?? 0),
    postgresReads: calls(ANYTHING),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const difference = (after: Loads, before: Loads): Loads => ({
  mapLoads: after.mapLoads - before.mapLoads,
  redisLoads: after.redisLoads - before.redisLoads,
  showReads: after.showReads - before.showReads,
  redisScripts: after.redisScripts - before.redisScripts,
  postgresReads: after.postgresReads - before.postgresReads,
});
