import { expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';

it('keeps the metrics of each server apart, and reads what is read only when it is asked', async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  let connections = 1;
  one.connections.readFrom(() => connections);
  one.postgresWaiting.readFrom('reads', () => connections + 1);
  one.postgresWaiting.readFrom('confirms', () => 0);
  one.framesReceived.count('hold');
  connections = 7;
  const text = await one.registry.metrics();
  expect(text).toContain('rowlock_connections 7');
  expect(text).toContain('rowlock_postgres_calls_waiting{pool="reads"} 8');
  expect(text).toContain('rowlock_postgres_calls_waiting{pool="confirms"} 0');
  expect(text).toContain('rowlock_frames_received_total{type="hold"} 1');
  expect(await other.registry.metrics()).toContain('rowlock_connections 0');
  expect(await other.registry.metrics()).toContain('rowlock_frames_received_total{type="hold"} 0');
});

it('times one frame in seventeen, whatever the others are', async () => {
  const { frameTimes, registry } = createMetrics();
  const timings = Array.from({ length: 17 * 3 }, () => frameTimes.begin());
  expect(timings.filter((timing) => timing !== undefined)).toHaveLength(3);
  for (const timing of timings) {
    timing?.parsed();
    timing?.replying();
    timing?.replied('hold');
  }
  const text = await registry.metrics();
  expect(text).toContain('rowlock_frame_duration_seconds_count{type="hold"} 3');
  expect(text).toContain('rowlock_frame_stage_duration_seconds_count{stage="parse"} 3');
  expect(text).toContain('rowlock_frame_stage_duration_seconds_count{stage="reply"} 3');
});

it('counts what was counted once, however often it is scraped', async () => {
  const { holds, registry } = createMetrics();
  holds.ws.count('held');
  holds.ws.count('held');
  holds.http.count('limit_reached');
  await registry.metrics();
  const text = await registry.metrics();
  expect(text).toContain('rowlock_holds_total{via="ws",outcome="held"} 2');
  expect(text).toContain('rowlock_holds_total{via="http",outcome="held"} 0');
  expect(text).toContain('rowlock_holds_total{via="http",outcome="limit_reached"} 1');
});

it('names its own by the conventions of Prometheus', async () => {
  const text = await createMetrics().registry.metrics();
  const typed = [...text.matchAll(/^# TYPE (rowlock_\w+) (\w+)$/gm)].map(([, name = '', type]) => ({
    name,
    type,
  }));
  expect(typed.length).toBeGreaterThan(30);
  for (const { name, type } of typed) {
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    // Names have base units: no milliseconds, no kilobytes, and no time without a unit.
    expect(name).toMatch(/^rowlock_[a-z]+(_[a-z]+)*$/);
    expect(name).not.toMatch(/_(ms|millis\w*|micro\w*|minutes|kib|mib|kb|mb|percent)(_|$)/);
    if (/duration|lag|latency|time/.test(name)) expect(name).toMatch(/_seconds(_total)?$/);
  }
  const described = [...text.matchAll(/^# HELP (rowlock_\w+) \S/gm)].map(([, name]) => name);
  expect(described).toEqual(typed.map(({ name }) => name));
});
