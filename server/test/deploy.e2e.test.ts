import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeCodes } from '../../protocol/index.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';
import { copyProject } from './harness/project-copy.ts';
import { endServers, type ServerProcess, startServer } from './harness/server-process.ts';

const crowd = new Crowd();
let stage: TestStage;
let backdoor: Backdoor;
let leaving: ServerProcess;
let staying: ServerProcess;

beforeAll(async () => {
  const [project, opened] = await Promise.all([copyProject(), openStage()]);
  stage = opened;
  backdoor = new Backdoor(stage);
  const env = {
    HOST: '127.0.0.1',
    DATABASE_URL: stage.database.url,
    REDIS_URL: stage.redis.url,
    // A confirm waits at the gate of a test for as long as that takes.
    LOCK_TIMEOUT_MS: '4000',
    STATEMENT_TIMEOUT_MS: '5000',
    CONFIRM_DEADLINE_MS: '6000',
    GUARD_MS: '9000',
    DRAIN_MS: '7000',
  };
  const start = () => startServer({ project, env });
  [leaving, staying] = await Promise.all([start(), start()]);
});
afterAll(async () => {
  await crowd.leave();
  await endServers();
  await backdoor.close();
  await stage.close();
});

/** A new show in which a client of the server that leaves holds A1, A2 and A3, seen by a watcher of the other one. */
async function scene(showId: string) {
  await stage.createShow(showId);
  const [holder, watcher] = await Promise.all([crowd.join(leaving.url), crowd.watch(staying.url, showId)]);
  await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
  await watcher.untilSeat(showId, 'A3', 'held');
  return { showId, holder, watcher };
}

const resume = ({ session, userId }: Guest, showId: string) =>
  crowd.join(staying.url, { session, userId, leases: [{ showId, seatIds: ['A1', 'A2'] }] });

const everFreed = ({ frames }: Guest) =>
  frames.some((frame) => frame.type === 'delta' && Object.values(frame.changes).includes('available'));

it('SIGTERM lets confirms finish, frees nothing, and ends in time; another server takes the leases up', async () => {
  const [told, untold] = await Promise.all([scene('told'), scene('untold')]);
  const [first, second] = [confirmOf('told', ['A3']), confirmOf('untold', ['A3'])];
  const gate = await backdoor.closeGate();
  const id = told.holder.send(first);
  untold.holder.send(second);
  await gate.reached(2);

  const signalledMs = performance.now();
  leaving.kill('SIGTERM');
  const [draining] = await Promise.all([told.holder.push('draining'), untold.holder.push('draining')]);
  expect(draining.reconnectInMs).toBeLessThanOrEqual(1_000);
  // This one does not wait for its answer: whether it has booked is unknown to it.
  await untold.holder.terminate();
  const early = await resume(untold.holder, 'untold');
  // Nothing but the confirm keeps it.
  await expect.poll(() => performance.now() - signalledMs, POLL).toBeGreaterThan(500);
  expect(told.holder.closeCode).toBeUndefined();
  await gate.open();
  const confirmed = await told.holder.reply(id);
  expect(confirmed).toMatchObject({ type: 'confirmed', bookings: [{ seatId: 'A3' }] });
  expect(await told.holder.closed()).toBe(closeCodes.draining);
  expect(await leaving.ended).toMatchObject({ code: 0, stderr: '' });
  await expect(fetch(`${leaving.url}/livez`)).rejects.toThrow();

  const late = await resume(told.holder, 'told');
  for (const [{ showId, watcher }, client, confirm] of [
    [told, late, first],
    [untold, early, second],
  ] as const) {
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    expect(client.welcome).toMatchObject({ resumed: true, leases, lost: [] });
    expect(await client.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ leases, lost: [] });
    const [booking] = await backdoor.bookings(showId);
    const repeated = await client.request<'confirmed'>(confirm);
    expect(repeated.bookings).toEqual([{ bookingId: booking?.id, seatId: 'A3' }]);
    // By the settle of the server that has left: the end of a guard or a look would not come so soon.
    await watcher.untilSeat(showId, 'A3', 'booked', 1_000);
    expect(watcher.map(showId).taken).toEqual({ A1: 'held', A2: 'held', A3: 'booked' });
    await client.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
    await expect.poll(() => watcher.map(showId).stateOf('A1'), POLL).toBe('booked');
    expect(everFreed(watcher)).toBe(false);
  }
});
