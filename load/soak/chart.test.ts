import { expect, it } from 'vitest';
import { bounds, type Sample, trendsOf } from './bounds.ts';
import { chartOf } from './chart.ts';

it('draws every measure over the whole run, and what it may grow to', () => {
  const samples: Sample[] = Array.from({ length: 40 }, (_, i) => ({
    ...{ ms: i * 60_000, residentMib: 200 + i, handles: 100, heapMib: 40, redisKeys: 70 },
    ...{ redisMib: 3.5, postgresSessions: 8 },
  }));
  const chart = chartOf(samples, trendsOf(samples));
  for (const { name } of Object.values(bounds)) expect(chart).toContain(name);
  const lines = [...chart.matchAll(/<polyline points="([^"]*)"/g)].map(([, points = '']) => points);
  expect(lines).toHaveLength(Object.keys(bounds).length);
  for (const points of lines) expect(points.split(' ')).toHaveLength(samples.length);
  expect(chart).toContain('39 minutes');
  expect(chart).not.toMatch(/NaN|undefined/);
});
