import { expect, it } from 'vitest';
import { fault } from '../../protocol/index.ts';
import { httpLimits } from '../limits.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { type Answer, refusal } from './answer.ts';
import type { HttpDeps } from './deps.ts';
import { Dispatcher, type Route } from './dispatcher.ts';
import type { Exchange } from './exchange.ts';

const done = refusal(fault('forbidden'));

function stage() {
  const deps = { config: {}, log: createLog('silent'), metrics: createMetrics() };
  const dispatcher = new Dispatcher(deps as unknown as HttpDeps);
  let finish = (_: Answer) => {};
  const finished = new Promise<Answer>((resolve) => {
    finish = resolve;
  });
  const call = (route: Route): Promise<Answer> =>
    new Promise((answer) => {
      const head = { method: 'get', path: '/', headers: new Map(), parameters: [] };
      dispatcher.serve('test', route, { head, answer } as unknown as Exchange);
    });
  return { call, finish, dispatcher, slow: { get: { run: () => finished } } satisfies Route };
}

it('a request too many is busy, of whichever path; a probe is answered all the same; then there is room again', async () => {
  const { call, finish, slow } = stage();
  const quick: Route = { get: { run: () => done } };
  const underWay = Array.from({ length: httpLimits.maxUnderWay }, () => call(slow));
  expect(await call(quick)).toMatchObject({
    status: 503,
    headers: { 'retry-after': expect.stringMatching(/^[12]$/) },
  });
  expect(await call({ get: { vital: true, run: () => done } })).toBe(done);
  finish(done);
  await Promise.all(underWay);
  await expect.poll(() => call(quick)).toBe(done);
});

it('a stop waits for those who were let in and have said nothing yet, and for what they ask then', async () => {
  const { call, finish, dispatcher, slow } = stage();
  const fromMs = performance.now();
  const drained = dispatcher.drain(60_000);
  const answer = call(slow);
  finish(done);
  expect(await answer).toMatchObject({ status: done.status, headers: { connection: 'close' } });
  const answeredMs = performance.now();
  await drained;
  expect(performance.now() - Math.max(fromMs, answeredMs)).toBeGreaterThan(httpLimits.quietMs - 5);
});
