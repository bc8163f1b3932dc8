import { describe, expect, it, vi } from 'vitest';
import type { RowlockError } from '../client.ts';
import { fakeStage, heldFrame, userId as requestId } from './fake-kit.ts';

const { stage, live, settle, pass, nextSocket } = fakeStage();

const errorOf = (call: Promise<unknown>): Promise<RowlockError> =>
  call.then(
    () => expect.unreachable(),
    (error) => error,
  );

const seats = { showId: 'demo', seatIds: ['A1'], bookings: [] };

describe('a call', () => {
  it('waits for the connection', async () => {
    stage.connect();
    const hold = stage.client.hold('demo', ['A1']);
    await settle();
    stage.network.last.open();
    expect(stage.network.last.sent.map(({ type }) => type)).toEqual(['hello']);
    stage.network.last.welcome();
    stage.network.last.answer('hold', heldFrame(['A1']));
    expect((await hold).seatIds).toEqual(['A1']);
  });

  it('fails with all that the refusal tells', async () => {
    await live();
    const [hold, confirm, unknown] = [
      errorOf(stage.client.hold('demo', ['A1'])),
      errorOf(stage.client.confirm('demo', ['A1'], { requestId })),
      errorOf(stage.client.release('demo', ['A9'])),
    ];
    const refusal = { type: 'error', message: 'No.', retryable: false } as const;
    const conflicts = [{ seatId: 'A1', state: 'held', yours: true } as const];
    stage.network.last.answer('hold', { ...refusal, code: 'seat_unavailable', conflicts });
    stage.network.last.answer('confirm', { ...refusal, code: 'lease_lost', seats: { A1: 'booked' } });
    stage.network.last.answer('release', { ...refusal, code: 'unknown_seat', seatIds: ['A9'] });
    expect(await hold).toMatchObject({ name: 'RowlockError', message: 'No.', retryable: false, conflicts });
    expect(await confirm).toMatchObject({ code: 'lease_lost', seats: { A1: 'booked' }, requestId });
    expect(await unknown).toMatchObject({ code: 'unknown_seat', seatIds: ['A9'] });
  });

  it('is given up after its time, and a late hold still counts', async () => {
    await live();
    const hold = errorOf(stage.client.hold('demo', ['A1'], { timeoutMs: 500 }));
    await pass(500);
    expect(await hold).toMatchObject({ code: 'no_reply', retryable: true });
    stage.network.last.answer('hold', heldFrame(['A1']));
    expect(stage.client.leases.get('demo')?.has('A1')).toBe(true);
  });

  it('is given up by its signal', async () => {
    await live();
    const controller = new AbortController();
    const hold = errorOf(stage.client.hold('demo', ['A1'], { signal: controller.signal }));
    const reason = new Error('changed my mind');
    controller.abort(reason);
    expect(await hold).toMatchObject({ code: 'aborted', cause: reason });
    const late = errorOf(stage.client.hold('demo', ['A1'], { signal: controller.signal }));
    expect(await late).toMatchObject({ code: 'aborted' });
  });

  it('waits its turn when there were too many, and is not sent again when a seat is contended', async () => {
    await live();
    const hold = stage.client.hold('demo', ['A1']);
    const tooMany = { type: 'error', code: 'rate_limited', message: '', retryable: true } as const;
    stage.network.last.answer('hold', { ...tooMany, retryInMs: 100 });
    await pass(99);
    expect(stage.network.last.waiting('hold')).toBeUndefined();
    await pass(251);
    stage.network.last.refuse('hold', 'busy', 70);
    expect(await errorOf(hold)).toMatchObject({ code: 'busy', retryable: true, retryInMs: 70 });
  });

  it('is not even queued behind too many others', async () => {
    stage.connect();
    const all = Array.from({ length: 256 }, () => errorOf(stage.client.hold('demo', ['A1'])));
    expect(await errorOf(stage.client.hold('demo', ['A1']))).toMatchObject({ code: 'busy' });
    await stage.client.close();
    expect((await Promise.all(all)).every(({ code }) => code === 'closed')).toBe(true);
  });

  it('never grows beyond what a frame takes', async () => {
    await live();
    const seatIds = Array.from({ length: 400 }, (_, i) => `${i}`.padStart(64, 'x'));
    expect(await errorOf(stage.client.hold('demo', seatIds))).toMatchObject({ code: 'bad_frame' });
    expect(stage.network.last.waiting('hold')).toBeUndefined();
  });
});

describe('confirm', () => {
  it('goes on under one requestId, over refusals for now and broken connections', async () => {
    await live();
    const confirm = stage.client.confirm('demo', ['A1']);
    const [first] = stage.network.sockets;
    const { requestId: made } = first?.waiting('confirm') ?? {};
    expect(made).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    first?.refuse('confirm', 'busy', 20);
    await pass(20 + 250);
    first?.refuse('confirm', 'outcome_unknown', 0);
    await pass(500);
    expect(first?.waiting('confirm')?.requestId).toBe(made);
    first?.drop();
    const next = await nextSocket();
    next.welcome({ resumed: true });
    expect(next.waiting('confirm')).toMatchObject({ requestId: made, seatIds: ['A1'] });
    next.answer('confirm', { type: 'confirmed', ...seats, requestId: made ?? '', replayed: true });
    expect(await confirm).toMatchObject({ requestId: made, replayed: true });
  });

  it('says that the outcome is unknown when it was given up on the way', async () => {
    await live();
    const controller = new AbortController();
    const { signal } = controller;
    const sent = errorOf(stage.client.confirm('demo', ['A1'], { requestId, signal }));
    controller.abort();
    expect(await sent).toMatchObject({ code: 'outcome_unknown', retryable: true, requestId });
    expect((await sent).cause).toMatchObject({ code: 'aborted' });
    const late = errorOf(stage.client.confirm('demo', ['A1'], { timeoutMs: 5_000 }));
    stage.network.last.drop();
    await pass(5_000);
    expect(await late).toMatchObject({ code: 'outcome_unknown', cause: { code: 'no_reply' } });
    await stage.client.close();
  });

  it('says what stood in its way when nothing can have happened', async () => {
    await live();
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const confirm = errorOf(stage.client.confirm('demo', ['A1'], { timeoutMs: 1_010 }));
    for (let ms = 0; ms <= 1_000; ms += 50) {
      stage.network.last.refuse('confirm', 'unavailable', 50);
      await pass(50);
    }
    vi.mocked(Math.random).mockRestore();
    expect(await confirm).toMatchObject({ code: 'unavailable' });
  });

  it('ends with the first final word', async () => {
    await live();
    const confirm = errorOf(stage.client.confirm('demo', ['A1']));
    const final = { type: 'error', code: 'request_mismatch', message: '', retryable: false } as const;
    stage.network.last.answer('confirm', final);
    expect(await confirm).toMatchObject({ code: 'request_mismatch' });
    await pass(10_000);
    expect(stage.network.last.sent.filter(({ type }) => type === 'confirm')).toHaveLength(1);
  });
});

describe('frames that are none', () => {
  it.each(['', 'null', '[]', '{}', '{"type":7}', '{"type":"news","id":"1"}', '{"type":"news"}'])(
    'are passed over: %s',
    async (text) => {
      await live();
      stage.network.last.receiveText(text);
      expect(stage.client.state).toBe('live');
    },
  );

  it('do not let a listener that throws keep the others, or the client, from going on', async () => {
    await live();
    const heard = vi.fn();
    const later = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => undefined);
    const stop = stage.client.on('leases', () => {
      throw new Error('a bug of the page');
    });
    stage.client.on('leases', heard);
    const hold = stage.client.hold('demo', ['A1']);
    stage.network.last.answer('hold', heldFrame(['A1']));
    await hold;
    stop();
    expect(heard).toHaveBeenCalledOnce();
    const [[report] = []] = later.mock.calls;
    later.mockRestore();
    expect(() => report?.()).toThrow('a bug of the page');
  });
});
