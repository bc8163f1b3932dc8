import { percentile } from '../bench/kit/numbers.ts';
import type { Facts } from './campaign.ts';
import { ratioOf } from './judge.ts';

const mib = (kib: number) => (kib / 1024).toFixed(1);

const counts = (of: Readonly<Record<string, number>>): string =>
  Object.entries(of)
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

const spread = (latenciesMs: readonly number[]): string =>
  [0.5, 0.99].map((share) => `${percentile(latenciesMs, share).toFixed(1)} ms`).join(' / ');

/** The results of a campaign as text that fits on one screen. */
export function report(facts: Facts): string {
  const { inputs, connections, tookS, answers, neighbour, early, late, lingered, wrongs, notJudged } = facts;
  const total = Object.values(inputs).reduce((sum, count) => sum + count, 0);
  const change = (what: string, of: (shape: Facts['early']) => number | string) =>
    `${what} ${of(early)} → ${of(late)}`;
  return [
    `${total} inputs on ${connections} connections in ${tookS.toFixed(0)} s: ${counts(inputs)}`,
    `answers: ${counts(answers)}`,
    `neighbour, p50 / p99: alone ${spread(neighbour.aloneMs)}, with hostile inputs elsewhere on the machine ${spread(neighbour.elsewhereMs)}, beside them ${spread(neighbour.besideMs)}: ${ratioOf(neighbour).toFixed(2)} of the p99 elsewhere`,
    `server, after a fifth → at the end: ${[
      change('resident MiB', (shape) => mib(shape.residentKib)),
      change('heap MiB', (shape) => mib(shape.heapKib)),
      change('open files', (shape) => shape.files),
      change('connections', (shape) => shape.connections),
      change('keys in Redis', (shape) => shape.redisKeys),
    ].join(', ')}`,
    ...lingered.map(({ name, longestS }) => `${name}: ended after ${longestS} s`),
    ...notJudged.map((what) => `not judged: ${what}`),
    ...wrongs.map((wrong) => `WRONG: ${wrong}`),
    conclusionOf(facts),
  ].join('\n');
}

function conclusionOf({ wrongs, notJudged }: Facts): string {
  if (wrongs.length > 0) return `${wrongs.length} wrong`;
  return notJudged.length === 0 ? 'nothing broke' : 'nothing broke in what was judged';
}
