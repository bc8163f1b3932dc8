import { expect, it } from 'vitest';
import { askReadiness } from './readiness.ts';

const up = async () => undefined;
const down = () => Promise.reject(new Error('nobody there'));
const silent = () => new Promise<never>(() => undefined);
const ask = (over: Partial<Parameters<typeof askReadiness>[0]>) =>
  askReadiness({ redis: up, postgres: up, streamLagMs: () => 0, ...over });

it('is ready with both stores, and every map at most two seconds behind', async () => {
  expect(await ask({})).toEqual({ ready: true, redis: true, postgres: true, streamLagMs: 0 });
  expect(await ask({ streamLagMs: () => 2_000 })).toMatchObject({ ready: true, streamLagMs: 2_000 });
  expect(await ask({ streamLagMs: () => 2_001 })).toMatchObject({ ready: false, streamLagMs: 2_001 });
});

it('is not ready when either store is gone, and names it', async () => {
  expect(await ask({ redis: down })).toMatchObject({ ready: false, redis: false, postgres: true });
  expect(await ask({ postgres: down })).toMatchObject({ ready: false, redis: true, postgres: false });
});

it('does not wait for a store that is silent', async () => {
  const gone = { ready: false, redis: false, postgres: false, streamLagMs: 0 };
  expect(await ask({ redis: silent, postgres: silent })).toEqual(gone);
});
