import { expect, it } from 'vitest';
import { createMetrics } from '../observability/metrics.ts';
import { samplesOf } from '../observability/self-report.ts';
import { Ledger } from './ledger.ts';

/** The samples of a worker that has counted `n` of everything. */
async function told(worker: number, n: number) {
  const metrics = createMetrics(worker);
  metrics.connections.readFrom(() => n);
  metrics.framesReceived.count('hold', n);
  for (let i = 0; i < n; i++) metrics.redisCalls.observe({ step: 'hold' }, 0.002);
  metrics.streamLagSeconds.set(n / 1000);
  metrics.storeUp.set({ store: 'redis' }, n > 2 ? 1 : 0);
  return samplesOf(metrics.registry);
}

it('adds up what is counted, and of a state shows the worst', async () => {
  const [ledger, one, two] = [new Ledger(), {}, {}];
  ledger.heard(one, await told(1, 2));
  ledger.heard(two, await told(2, 3));
  const text = await ledger.text(new Set([one, two]), []);
  expect(text).toContain('rowlock_workers 2\n');
  expect(text).toContain('rowlock_connections 5\n');
  expect(text).toContain('rowlock_frames_received_total{type="hold"} 5\n');
  expect(text).toContain('rowlock_redis_call_duration_seconds_bucket{le="0.001",step="hold"} 0\n');
  expect(text).toContain('rowlock_redis_call_duration_seconds_bucket{le="0.0025",step="hold"} 5\n');
  expect(text).toContain('rowlock_redis_call_duration_seconds_count{step="hold"} 5\n');
  expect(text).toContain('rowlock_stream_lag_seconds 0.003\n');
  expect(text).toContain('rowlock_store_up{store="redis"} 0\n');
  expect(text).toMatch(/^rowlock_event_loop_active_seconds_total\{worker="1"\} [\d.]+$/m);
  expect(text).toMatch(/^rowlock_event_loop_active_seconds_total\{worker="2"\} [\d.]+$/m);
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  // Prometheus refuses a scrape that has a series twice.
  const series = [...text.matchAll(/^([a-z]\S*) /gm)].map(([, name]) => name);
  expect(new Set(series).size).toBe(series.length);
});

it('forgets nothing that a worker counted when it is silent or gone, and shows nothing of its state', async () => {
  const [ledger, one, two, three] = [new Ledger(), {}, {}, {}];
  ledger.heard(one, await told(1, 2));
  ledger.heard(two, await told(2, 3));
  const silent = await ledger.text(new Set([two]), []);
  expect(silent).toContain('rowlock_connections 3\n');
  expect(silent).toContain('rowlock_frames_received_total{type="hold"} 5\n');
  ledger.ended(one);
  ledger.ended(two);
  // This worker was never heard, so there is nothing to keep.
  ledger.ended(three);
  ledger.heard(three, await told(1, 4));
  const later = await ledger.text(new Set([three]), []);
  expect(later).toContain('rowlock_connections 4\n');
  expect(later).toContain('rowlock_frames_received_total{type="hold"} 9\n');
  expect(later).toContain('rowlock_redis_call_duration_seconds_sum{step="hold"} 0.018');
});

it('adds what the first process counts itself', async () => {
  const [ledger, one] = [new Ledger(), {}];
  ledger.heard(one, await told(1, 1));
  const own = createMetrics();
  own.workersLost.inc(3);
  const counters = (await samplesOf(own.registry)).filter(
    ({ name }) => name === 'rowlock_workers_lost_total',
  );
  expect(await ledger.text(new Set([one]), counters)).toContain('rowlock_workers_lost_total 3\n');
});
