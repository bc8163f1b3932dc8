import { median, percentile, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { RateResult, RoundResult } from './round.ts';
import type { Joined, Watched } from './side.ts';
import type { Size } from './size.ts';

/** The bars: ratios, and values that depend on the code and not on the machine. */
export const bars = {
  deliveriesRatio: 0.9,
  residentKibEach: 6,
  /** One for each tick of 25 ms. */
  framesPerS: 40,
  loads: 1,
} as const;

/** Medians of all rounds; of what must never happen, the worst round. */
export function rowsOf(rounds: readonly RoundResult[], { watchers }: Size): Row[] {
  const byRate = rounds[0]?.rates.map((_, i) => rounds.flatMap(({ rates }) => rates[i] ?? [])) ?? [];
  return [...joinRows(rounds, watchers), ...byRate.flatMap(rateRows)];
}

const medianOf = <T>(items: readonly T[], pick: (item: T) => number): number => median(items.map(pick));

function joinRows(rounds: readonly RoundResult[], watchers: number): Row[] {
  const ours = rounds.map(({ join }) => join.ours);
  const bare = rounds.map(({ join }) => join.bare);
  const beside = (pick: (joined: Joined) => number) => ({
    ours: short(medianOf(ours, pick)),
    beside: short(medianOf(bare, pick)),
    ratio: short(medianOf(rounds, ({ join }) => pick(join.ours) / pick(join.bare))),
  });
  const resident = medianOf(ours, ({ residentKibEach }) => residentKibEach);
  const loads = Math.max(...rounds.flatMap(({ loads: l }) => [l.mapLoads, l.redisLoads, l.showReads]));
  const kib = `snapshot of ${Math.round(medianOf(ours, ({ snapshotBytes }) => snapshotBytes) / 1024)} KiB`;
  return [
    {
      measure: `loads for ${watchers} joins`,
      ours: short(loads),
      bar: { text: `${bars.loads}`, met: loads === bars.loads },
    },
    {
      measure: '  Redis scripts, Postgres reads meanwhile',
      ours: [
        medianOf(rounds, ({ loads: { redisScripts } }) => redisScripts),
        medianOf(rounds, ({ loads: { postgresReads } }) => postgresReads),
      ].join(', '),
    },
    { measure: `ms a join, ${kib}`, ...beside(({ wallMs }) => wallMs / watchers) },
    { measure: '  ms of server CPU', ...beside(({ serverCpuMs }) => serverCpuMs / watchers) },
    { measure: '  p99 ms of 64 at a time', ...beside(({ p99Ms }) => p99Ms) },
    { measure: '  generator CPU / wall', ...beside((joined) => joined.generatorCpuMs / joined.wallMs) },
    {
      measure: 'KiB resident per idle watcher',
      ...beside(({ residentKibEach }) => residentKibEach),
      bar: { text: `≤ ${bars.residentKibEach}`, met: resident <= bars.residentKibEach },
    },
    { measure: '  of it JavaScript heap', ...beside(({ heapKibEach }) => heapKibEach) },
    {
      measure: '  beside all of them: MiB of young generation',
      ...beside(({ youngKib }) => youngKib / 1024),
    },
  ];
}

function rateRows(results: readonly RateResult[]): Row[] {
  const [first] = results;
  if (first === undefined) return [];
  const beside = (pick: (watched: Watched) => number) => ({
    ours: short(medianOf(results, ({ ours }) => pick(ours))),
    beside: short(medianOf(results, ({ bare }) => pick(bare))),
    ratio: short(medianOf(results, ({ ours, bare }) => pick(ours) / pick(bare))),
  });
  const ratio = medianOf(results, ({ ours, bare }) => ours.deliveriesPerCpuS / bare.deliveriesPerCpuS);
  const frames = Math.max(...results.map(({ ours }) => ours.framesPerWatcherPerS));
  const percentileOf = (pick: (result: RateResult) => readonly number[], share: number) =>
    short(percentile(results.flatMap(pick), share));
  const toScreen = (share: number) => ({
    ours: percentileOf(({ oursMs }) => oursMs, share),
    beside: percentileOf(({ bareMs }) => bareMs, share),
  });
  // At one change a second the server is nearly idle, and a ratio would mean nothing.
  const barred = first.perS > 1;
  return [
    {
      measure: `${short(first.perS)} changes/s, ${short(first.watchers)} watchers: deliveries/s of CPU`,
      ...beside(({ deliveriesPerCpuS }) => deliveriesPerCpuS),
      ...(barred
        ? { bar: { text: `≥ ${bars.deliveriesRatio}`, met: ratio >= bars.deliveriesRatio } }
        : undefined),
    },
    {
      measure: '  most frames/s of one watcher',
      ours: short(frames),
      bar: { text: `≤ ${bars.framesPerS}`, met: frames <= bars.framesPerS },
    },
    { measure: '  server CPU / wall', ...beside((watched) => watched.serverCpuMs / watched.wallMs) },
    { measure: '  generator CPU / wall', ...beside((watched) => watched.generatorCpuMs / watched.wallMs) },
    ...(first.oursMs.length > 0
      ? [
          { measure: '  change to screen, p50 ms', ...toScreen(0.5) },
          { measure: '  change to screen, p99 ms', ...toScreen(0.99) },
        ]
      : []),
  ];
}
