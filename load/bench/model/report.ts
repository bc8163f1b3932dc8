import { median, percentile, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import { medianOf, PLAYED_S, sampleAt, single } from './calibrate.ts';
import { type Costs, costOf } from './costs.ts';
import type { Measured } from './measure.ts';
import { type Plan, playPlan } from './plan.ts';
import { crowds, watching, wokenUsPerServer } from './recorded.ts';
import { type Played, playClosed } from './simulation.ts';
import { bytes, carriedBy, type Sizing, sizingOf } from './sizing.ts';

/** The cores of the machine on which everything was measured. */
const CORES = 2;
/** The size of a frame when a hundred changes a second are in forty frames. */
const SMALL_FRAME_BYTES = bytes.delta + 2.5 * watching.seatBytes;

const predicted = (measure: string, measured: number, said: number): Row => ({
  ...{ measure, ours: short(said), beside: short(measured), ratio: short(said / measured) },
});

/** Compares the model with measurements that no cost was derived from. */
export function checkRows(all: readonly Measured[], costs: Costs): Row[] {
  const between = all.map(({ stepBetween }) => stepBetween);
  const stepUs = median(between.map(({ us, requests }) => us / requests));
  const sayStep = median(
    between.map(({ calls, requests }) => costOf(costs.redis.step, requests / calls) / (requests / calls)),
  );
  const calls = all.map(({ callBetween }) => callBetween);
  const callUs = median(calls.map(({ us, requests }) => us / requests));
  const sayCall = median(
    calls.map(
      ({ calls: count, requests }) => costOf(costs.postgres.call, requests / count) / (requests / count),
    ),
  );
  return [
    predicted('Redis µs a hold, batches between', stepUs, sayStep),
    predicted(
      `Redis µs to tell ${all[0]?.heardByFew.listeners ?? 0} servers of a step`,
      medianOf(all, ({ heardByFew }) => heardByFew.us),
      costs.redis.publishUsPerServer * (all[0]?.heardByFew.listeners ?? 0),
    ),
    predicted('PostgreSQL µs a confirm, batches between', callUs, sayCall),
    ...closedRows(all, costs),
    ...crowds.map(({ watchers, deliveriesPerCpuS }) =>
      predicted(
        `deliveries/s of CPU, ${short(watchers)} watchers`,
        deliveriesPerCpuS,
        1e6 / (costs.deliveryUs + (costs.deliveryUsPerKb * SMALL_FRAME_BYTES) / 1_000),
      ),
    ),
  ];
}

/** The throughput with so many purchases under way, simulated for one machine that all processes share. */
function closedRows(all: readonly Measured[], costs: Costs): Row[] {
  const { othersUs } = sampleAt(all, -1);
  return (all[0]?.closed ?? []).map(({ underWay }, i) => {
    const { perS } = sampleAt(all, i);
    const { purchases, tookS, calls } = playClosed(single(costs), underWay, PLAYED_S);
    const { callUs, holdUs, confirmUs } = costs.server;
    const most = (CORES * 1e6) / (calls * callUs + holdUs + confirmUs + othersUs);
    return predicted(`purchases/s, ${underWay} under way`, perS, Math.min(purchases / tookS, most));
  });
}

/** The sale, by arithmetic and by simulation. */
export function planRows(plan: Plan, costs: Costs): { rows: Row[]; sizing: Sizing; played: Played } {
  const sizing = sizingOf(plan.sale, plan.setting, costs, plan.machine);
  const played = playPlan(plan, sizing, costs);
  return {
    ...{ sizing, played },
    rows: [...sizingRows(plan, sizing, costs), ...playedRows(played), ...dearRows(plan, costs)],
  };
}

/** The same costs with the highest measured cost of telling a server of a change. */
export const dearly = (costs: Costs): Costs => ({
  ...costs,
  redis: { ...costs.redis, publishUsPerServer: wokenUsPerServer },
});

function dearRows(plan: Plan, costs: Costs): Row[] {
  const dear = dearly(costs);
  const sizing = sizingOf(plan.sale, plan.setting, dear, plan.machine);
  const { holdMs, batch, busy } = playPlan(plan, sizing, dear);
  return [
    row(`if telling a server took Redis ${wokenUsPerServer} µs: cores one by one`, sizing.redis.oneByOne),
    row('  hold ms: p50, p99', percentile(holdMs, 0.5), percentile(holdMs, 0.99)),
    row('  holds in a batch, busy of Redis', batch.holds, busy.redis),
  ];
}

const row = (measure: string, ...values: readonly number[]): Row => ({
  measure,
  ours: values.map((value) => (Number.isFinite(value) ? short(value) : 'too much')).join(', '),
});

function sizingRows({ sale, setting, machine }: Plan, sizing: Sizing, costs: Costs): Row[] {
  const carried = carriedBy(sale, sizing, setting, costs);
  const { peak, cores, redis, postgres, machines, comeback } = sizing;
  return [
    row(
      `busiest second (${Math.floor(peak.atS)}): holds, grants, confirms`,
      peak.holdsPerS,
      peak.grantsPerS,
      peak.confirmsPerS,
    ),
    row('seats that change a second', peak.seatChangesPerS),
    row('frames/s of a watcher, bytes a frame', sizing.framesPerS, sizing.frameBytes),
    row('Mbit/s of a watcher', sizing.mbitPerWatcher),
    row('Gbit/s to all of them', sizing.egressGbitPerS),
    row('deliveries/s', sizing.deliveriesPerS),
    row(
      'cores: deliveries, feed, buyers, beats, looks',
      ...[cores.deliveries, cores.feed, cores.buyers, cores.beats, cores.looks],
    ),
    row(
      `machines of ${machine.cores} cores and ${machine.gbitPerS} Gbit/s: by cores, by network`,
      machines.byCores,
      machines.byNetwork,
    ),
    row('GiB of memory for sockets and servers', sizing.memoryGib),
    row("the show's Redis: cores one by one, what no batch takes away", redis.oneByOne, redis.floor),
    row('  of it looks', redis.looks),
    row('  the batch with which one core does it, publications/s then', redis.batch, redis.publicationsPerS),
    row(
      'PostgreSQL: cores, commits/s, MB/s of WAL',
      postgres.cores,
      postgres.commitsPerS,
      postgres.walMbPerS,
    ),
    row('all come back within a minute: Gbit/s, cores', comeback.egressGbitPerS, comeback.cores),
    row('1 Gbit/s carries watchers', carried.watchersPerGbitPerS),
    row('1 core carries watchers', carried.watchersPerCore),
    row("the show's core of Redis carries requests/s in full batches", carried.requestsPerRedisCore),
  ];
}

const playedRows = ({ holdMs, confirmMs, purchases, batch, publicationsPerS, busy }: Played): Row[] => [
  row('played: purchases in the first minute', purchases),
  row('  hold ms: p50, p99', percentile(holdMs, 0.5), percentile(holdMs, 0.99)),
  row('  confirm ms: p50, p99', percentile(confirmMs, 0.5), percentile(confirmMs, 0.99)),
  row('  requests in a batch: holds, confirms', batch.holds, batch.confirms),
  row('  publications/s', publicationsPerS),
  row('  busy: servers, Redis, PostgreSQL', busy.server, busy.redis, busy.postgres),
];
