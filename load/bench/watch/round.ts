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
  /** Times that the server built the map: by its own count, by reads of Redis' records, by statements of Postgres. */
  readonly mapLoads: number;
  readonly redisLoads: number;
  readonly showReads: number;
  /** Everything meanwhile, sweeps and looks included. */
  readonly redisScripts: number;
  readonly postgresReads: number;
}

export interface RateResult {
  readonly perS: number;
  readonly watchers: number;
  /** As they came about. */
  readonly changesPerS: number;
  readonly ours: Watched;
  readonly bare: Watched;
  /** Change to screen, every sample. */
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
  /** Changed by the generator. */
  readonly busy: readonly string[];
  /** Held and released by the observer. */
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

/** Fresh servers, so that memory of an earlier round does not count as already there. */
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

/** On another show, so that the load of the measured one is still to come. */
async function warmUp({ ours, bare }: Stage): Promise<void> {
  for (const side of [ours, bare]) {
    await side.crowd.call('join', { ...side.address, showId: 'demo', count: 50 });
    await side.crowd.call('leave', { keep: 0 });
  }
}

/** Half of the sampled watchers; called before the crowd joins and after. */
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
  // The first of it warms up and is not looked at.
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
  // One change a second is what the observer itself does.
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
