import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';

let stage: TestStage;
let app: TestApp;

beforeAll(async () => {
  stage = await openStage();
  app = await stage.start();
});
afterAll(() => stage.close());

describe('a race for one seat', () => {
  it('has one winner; everybody else is told which seat, and a watcher sees one change', async () => {
    await stage.createShow('race');
    const watcher = await TestClient.join(app.url);
    await watcher.request<'snapshot'>({ type: 'watch', showId: 'race' });
    const clients = await Promise.all(Array.from({ length: 50 }, () => TestClient.join(app.url)));
    const replies = await Promise.all(
      clients.map((client) => client.reply(client.send({ type: 'hold', showId: 'race', seatIds: ['A1'] }))),
    );
    expect(replies.filter((reply) => reply.type === 'held')).toHaveLength(1);
    const refusals = replies.filter((reply) => reply.type === 'error');
    expect(refusals).toHaveLength(49);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({
        code: 'seat_unavailable',
        conflicts: [{ seatId: 'A1', state: 'held' }],
      });
    }
    await watcher.untilSeat('race', 'A1', 'held');
    const deltas = watcher.frames.filter((frame) => frame.type === 'delta');
    expect(deltas).toMatchObject([{ from: 1, to: 1, changes: { A1: 'held' } }]);
    await Promise.all([watcher, ...clients].map((client) => client.close()));
  });
});
