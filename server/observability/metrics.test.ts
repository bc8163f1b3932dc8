import { expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';

it('keeps the metrics of each server apart, and reads what is read only when it is asked', async () => {
  const [one, other] = [createMetrics(), createMetrics()];
  let connections = 1;
  one.connections.readFrom(() => connections);
  one.postgresWaiting.readFrom('reads', () => connections + 1);
  one.postgresWaiting.readFrom('confirms', () => 0);
  one.framesReceived.inc({ type: 'hold' });
  connections = 7;
  const text = await one.registry.metrics();
  expect(text).toContain('rowlock_connections 7');
  expect(text).toContain('rowlock_postgres_calls_waiting{pool="reads"} 8');
  expect(text).toContain('rowlock_postgres_calls_waiting{pool="confirms"} 0');
  expect(text).toContain('rowlock_frames_received_total{type="hold"} 1');
  expect(await other.registry.metrics()).toContain('rowlock_connections 0');
  expect(await other.registry.metrics()).not.toContain('type="hold"');
});
