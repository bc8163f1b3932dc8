import { describe, expect, it, vi } from 'vitest';
import type { ClientState } from '../client.ts';
import { fakeStage, heldFrame, session, snapshotFrame, userId } from './fake-kit.ts';

const { stage, live, settle, pass, nextSocket } = fakeStage();

function statesOf(): ClientState[] {
  const states: ClientState[] = [];
  stage.client.on('state', (state) => states.push(state));
  return states;
}

describe('connecting', () => {
  it('says hello, and is live when it is welcome', async () => {
    stage.connect({ userId });
    expect(stage.client.state).toBe('connecting');
    const states = statesOf();
    await settle();
    stage.network.last.open();
    expect(stage.network.last.sent).toEqual([{ type: 'hello', id: '1', userId }]);
    stage.network.last.welcome();
    expect(states).toEqual(['live']);
    expect(stage.client.session).toBe(session);
    expect(stage.client.terms?.maxSeatsPerHold).toBe(10);
  });

  it('asks for a token before every connection', async () => {
    let count = 0;
    await live({ token: async () => `token-${++count}` });
    stage.network.last.drop();
    const next = await nextSocket();
    expect(next.waiting('hello')).toMatchObject({ token: 'token-2', userId, session });
  });

  it('tells of a token that cannot be had, and tries again', async () => {
    const errors: string[] = [];
    let isDown = true;
    const token = async () => {
      if (isDown) throw new Error('no network');
      return 'token';
    };
    stage.connect({ token });
    stage.client.on('error', ({ code }) => errors.push(code));
    await settle();
    expect(errors).toEqual(['unauthorized']);
    isDown = false;
    await nextSocket();
    stage.network.last.welcome();
    expect(stage.client.state).toBe('live');
  });

  it.each([1000, 1001, 1006, 1012, 4001, 4008, 4499])('comes back after %d', async (code) => {
    await live();
    const states = statesOf();
    stage.network.last.drop(code);
    const next = await nextSocket();
    expect(next.waiting('hello')).toMatchObject({ userId, session });
    next.welcome({ resumed: true });
    expect(states).toEqual(['reconnecting', 'live']);
  });

  it.each([
    [1003, 'closed'],
    [4500, 'closed'],
    [4501, 'unauthorized'],
    [4503, 'closed'],
    [4504, 'superseded'],
  ] as const)('does not come back after %d', async (code, why) => {
    await live();
    const reasons: unknown[] = [];
    stage.client.on('state', (state, reason) => reasons.push([state, reason?.code]));
    const hold = stage.client.hold('demo', ['A1']).catch((error) => error);
    stage.network.last.drop(code);
    expect(reasons).toEqual([['closed', why]]);
    expect(await hold).toMatchObject({ code: 'closed', cause: { code: why } });
    await pass(60_000);
    expect(stage.network.sockets).toHaveLength(1);
    await expect(stage.client.hold('demo', ['A1'])).rejects.toMatchObject({ code: 'closed' });
    await expect(stage.client.watch('demo').ready).rejects.toMatchObject({ code: 'closed' });
  });

  it('ends when somebody else takes over before it is welcomed', async () => {
    await live();
    stage.network.last.drop();
    const next = await nextSocket();
    const reasons: unknown[] = [];
    stage.client.on('state', (state, reason) => reasons.push([state, reason?.code]));
    next.drop(4504);
    expect(reasons).toEqual([['closed', 'superseded']]);
  });

  it('is closed for good when it is refused for good', async () => {
    stage.connect();
    await settle();
    stage.network.last.open();
    const states = statesOf();
    stage.network.last.answer('hello', {
      type: 'error',
      code: 'limit_reached',
      message: '',
      retryable: false,
    });
    expect(states).toEqual(['closed']);
  });

  it('says hello again elsewhere when the store is away', async () => {
    stage.connect();
    await settle();
    stage.network.last.open();
    stage.network.last.refuse('hello', 'unavailable', 1_000);
    await pass(999);
    expect(stage.network.sockets).toHaveLength(1);
    const next = await nextSocket();
    next.welcome();
    expect(stage.client.state).toBe('live');
  });

  it('waits longer after each failure, up to a bound, at random', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    await live();
    const startedMs: number[] = [];
    for (let i = 0; i < 6; i++) {
      const fromMs = performance.now();
      const count = stage.network.sockets.length;
      stage.network.last.drop();
      while (stage.network.sockets.length === count) await pass(100);
      startedMs.push(performance.now() - fromMs);
    }
    vi.mocked(Math.random).mockRestore();
    expect(startedMs).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  });

  it('waits no longer than so, once it is let in each time', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    await live();
    const pausesMs: number[] = [];
    for (let i = 0; i < 6; i++) {
      const fromMs = performance.now();
      const count = stage.network.sockets.length;
      stage.network.last.drop();
      while (stage.network.sockets.length === count) await pass(100);
      pausesMs.push(performance.now() - fromMs);
      stage.network.last.open();
      stage.network.last.welcome();
    }
    vi.mocked(Math.random).mockRestore();
    expect(pausesMs).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  it('comes sooner when somebody waits for an answer', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    await live();
    const release = stage.client.release('demo');
    stage.network.last.drop();
    await pass(300);
    vi.mocked(Math.random).mockRestore();
    stage.network.last.open();
    stage.network.last.welcome();
    stage.network.last.answer('release', { type: 'released', showId: 'demo', seatIds: [] });
    await release;
  });

  it('comes sooner when there are leases to lose', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    await live();
    const hold = stage.client.hold('demo', ['A1']);
    stage.network.last.answer('hold', heldFrame(['A1']));
    await hold;
    stage.network.last.drop();
    await pass(300);
    vi.mocked(Math.random).mockRestore();
    expect(stage.network.sockets).toHaveLength(2);
  });

  it('gives an attempt up that takes too long', async () => {
    stage.connect({ requestTimeoutMs: 1_000 });
    await settle();
    const [first] = stage.network.sockets;
    await pass(1_000);
    expect(first?.closedWith).toBe(3000);
    await nextSocket();
    stage.network.last.welcome();
    expect(stage.client.state).toBe('live');
  });

  it('does not wait when the browser is back on the network', async () => {
    const page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    await live();
    page.dispatchEvent(new Event('online'));
    stage.network.last.drop();
    page.dispatchEvent(new Event('online'));
    await settle();
    stage.network.last.open();
    stage.network.last.welcome({ resumed: true });
    expect([stage.client.state, stage.network.sockets.length]).toEqual(['live', 2]);
    await stage.client.close();
    page.dispatchEvent(new Event('online'));
    await settle();
    expect(stage.network.sockets).toHaveLength(2);
    vi.unstubAllGlobals();
  });

  it('is closed at once when no socket can be opened at all', async () => {
    class Forbidden {
      constructor() {
        throw new SyntaxError('not from a secure page');
      }
    }
    stage.connect({ WebSocket: Forbidden as never });
    const reasons: unknown[] = [];
    stage.client.on('state', (state, reason) => reasons.push([state, reason?.message]));
    await settle();
    expect(reasons).toEqual([['closed', 'SyntaxError: not from a secure page']]);
  });

  it('says goodbye when it is closed, and only then lets its leases go', async () => {
    await live();
    await stage.client.close();
    expect(stage.network.last.closedWith).toBe(1000);
    expect(stage.client.state).toBe('closed');
  });
});

/** The next connection says hello, and is given up without an answer. */
async function helloInVain() {
  stage.network.last.receive({ type: 'draining', reconnectInMs: 0 });
  await settle();
  stage.network.last.open();
  await pass(1_000);
}

describe('draining', () => {
  it('moves when it was told to, and stays where it is until the next server welcomes it', async () => {
    await live();
    const first = stage.network.last;
    const held = stage.client.hold('demo', ['A1']);
    first.answer('hold', heldFrame(['A1']));
    await held;
    first.receive({ type: 'draining', reconnectInMs: 800 });
    await pass(799);
    expect(stage.network.sockets).toHaveLength(1);
    await pass(1);
    const next = stage.network.last;
    next.open();
    expect(next.waiting('hello')).toMatchObject({ session, leases: [{ showId: 'demo', seatIds: ['A1'] }] });
    // Until it is welcome, nothing else may go out that the hello knows nothing of.
    const release = stage.client.release('demo', ['A1']);
    expect([first.waiting('release'), next.waiting('release')]).toEqual([undefined, undefined]);
    expect([stage.client.state, first.closedWith]).toEqual(['live', undefined]);
    next.welcome({ resumed: true, leases: [{ showId: 'demo', seatIds: ['A1'], expiresInMs: 30_000 }] });
    expect(first.closedWith).toBe(3000);
    next.answer('release', { type: 'released', showId: 'demo', seatIds: ['A1'] });
    expect((await release).seatIds).toEqual(['A1']);
    expect(stage.client.state).toBe('live');
  });

  it('goes on although the old server hears of the resume, and closes, before the next one has welcomed it', async () => {
    await live();
    const first = stage.network.last;
    first.receive({ type: 'draining', reconnectInMs: 0 });
    await settle();
    const next = stage.network.last;
    next.open();
    first.drop(4504);
    expect(stage.client.state).toBe('reconnecting');
    next.welcome({ resumed: true });
    expect(stage.client.state).toBe('live');
    expect(stage.network.sockets).toHaveLength(2);
  });

  it.each([
    ['dies', () => stage.network.last.drop()],
    ['is refused for now', () => stage.network.last.refuse('hello', 'unavailable')],
    ['is not answered in time', () => pass(1_000)],
  ] as const)(
    'goes on although the old server hears of its resume after the next connection %s',
    async (_, fails) => {
      await live({ requestTimeoutMs: 1_000 });
      const first = stage.network.last;
      first.receive({ type: 'draining', reconnectInMs: 0 });
      await settle();
      stage.network.last.open();
      await fails();
      expect(stage.client.state).toBe('live');
      first.drop(4504);
      expect(stage.client.state).toBe('reconnecting');
      (await nextSocket()).welcome({ resumed: true });
      expect(stage.client.state).toBe('live');
      // Only one is excused, so that two pages do not take the session from each other for ever.
      stage.network.last.drop(4504);
      expect(stage.client.state).toBe('closed');
    },
  );

  it('goes on although a hello that was not answered resumes its session after the next one was welcomed', async () => {
    await live({ requestTimeoutMs: 1_000 });
    await helloInVain();
    (await nextSocket()).welcome({ resumed: true });
    stage.network.last.drop(4504);
    expect(stage.client.state).toBe('reconnecting');
    (await nextSocket(2_000)).welcome({ resumed: true });
    stage.network.last.drop(4504);
    expect(stage.client.state).toBe('closed');
  });

  it('ends when somebody else takes over long after a hello that was not answered', async () => {
    await live({ requestTimeoutMs: 1_000 });
    await helloInVain();
    const next = await nextSocket();
    next.welcome({ resumed: true });
    for (let ms = 0; ms < 60_000; ms += 20_000) {
      await pass(20_000);
      next.receive(snapshotFrame(1));
    }
    expect(stage.client.state).toBe('live');
    next.drop(4504);
    expect(stage.client.state).toBe('closed');
  });

  it('ends when somebody else takes over, while its next connection has not said hello', async () => {
    await live();
    const first = stage.network.last;
    first.receive({ type: 'draining', reconnectInMs: 0 });
    await settle();
    stage.network.last.drop();
    first.drop(4504);
    expect(stage.client.state).toBe('closed');
  });

  it('keeps to its time when the server closes before', async () => {
    await live();
    stage.network.last.receive({ type: 'draining', reconnectInMs: 800 });
    await pass(10);
    stage.network.last.drop(4001);
    expect(stage.client.state).toBe('reconnecting');
    await pass(789);
    expect(stage.network.sockets).toHaveLength(1);
    await pass(1);
    expect(stage.network.sockets).toHaveLength(2);
  });

  it('goes on with the old server while there is no other', async () => {
    await live();
    const [first] = stage.network.sockets;
    first?.receive({ type: 'draining', reconnectInMs: 0 });
    await settle();
    const hold = stage.client.hold('demo', ['A1']);
    expect(first?.waiting('hold')).toBeDefined();
    stage.network.last.drop(1006);
    first?.answer('hold', heldFrame(['A1']));
    await hold;
    await pass(1_000);
    expect(stage.network.sockets.length).toBeGreaterThan(2);
    expect(first?.closedWith).toBeUndefined();
  });
});

describe('a connection that gives no answer', () => {
  it('is left, not closed, until another one has taken its leases over', async () => {
    await live({ requestTimeoutMs: 1_000 });
    const [first] = stage.network.sockets;
    const hold = stage.client.hold('demo', ['A1'], { timeoutMs: 5_000 });
    await pass(1_000);
    expect([stage.client.state, first?.closedWith]).toEqual(['reconnecting', undefined]);
    const next = await nextSocket();
    // The hold may have landed.
    expect(next.waiting('hello')).toMatchObject({ leases: [{ showId: 'demo', seatIds: ['A1'] }] });
    next.welcome({ resumed: true, leases: [{ showId: 'demo', seatIds: ['A1'], expiresInMs: 20_000 }] });
    expect(first?.closedWith).toBe(3000);
    expect(await hold).toMatchObject({ seatIds: ['A1'], deadlineAtMs: undefined });
  });

  it('is noticed when a quiet show hides it', async () => {
    await live({ requestTimeoutMs: 1_000 });
    await pass(24_999);
    expect(stage.network.last.waiting('heartbeat')).toBeUndefined();
    await pass(1);
    expect(stage.network.last.waiting('heartbeat')).toBeDefined();
    await pass(1_000);
    expect(stage.client.state).toBe('reconnecting');
  });
});
