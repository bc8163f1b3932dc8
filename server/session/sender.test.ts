import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { limits, type ServerFrame } from '../../protocol/index.ts';
import { sessionLimits } from '../limits.ts';
import { expectInStep, stage } from './sender-kit.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('replies', () => {
  const reply = (id: string) => `{"type":"unwatched","id":"${id}","showId":"x"}`;
  const idsOf = (frames: readonly ServerFrame[]) =>
    frames.map((frame) => ('id' in frame ? frame.id : frame.type));

  it('of one turn leave together at its end, in one write', async () => {
    const { socket, sender } = stage('s');
    const before = socket.sent.length;
    for (const id of ['r1', 'r2', 'r3']) sender.send(reply(id));
    expect(socket.sent).toHaveLength(before);
    await Promise.resolve().then(() => sender.send(reply('r4')));
    await new Promise((resolve) => process.nextTick(resolve));
    expect(idsOf(socket.sent.slice(before))).toEqual(['r1', 'r2', 'r3', 'r4']);
    expect(socket.corks).toBe(1);
    sender.send(reply('r5'));
    sender.flush();
    expect(idsOf(socket.sent.slice(-1))).toEqual(['r5']);
    expect(socket.corks).toBe(1);
  });

  it('come before the close that follows them, and before the snapshot of a later watch', () => {
    const { socket, sender, show } = stage('s');
    const before = socket.sent.length;
    sender.send(reply('r1'));
    sender.watch(show, 'w', undefined);
    sender.send(reply('r2'));
    sender.close(4001);
    expect(idsOf(socket.sent.slice(before))).toEqual(['r1', 'w', 'r2']);
    expect(socket.closeCode).toBe(4001);
  });
});

describe('a socket that is not read', () => {
  it('is unsubscribed when a frame is dropped, and gets what it missed when it is read again', () => {
    const { socket, show, change, read } = stage('s');
    change();
    socket.room = 0;
    for (let i = 0; i < 5; i++) change();
    expect(socket.topics.size).toBe(0);
    read();
    expect(socket.sent.at(-1)).toMatchObject({ type: 'delta', from: 2, to: 6 });
    change();
    expectInStep(socket, show);
  });

  it('stays subscribed when it is read again before it could be unsubscribed', () => {
    const { socket, sender, show, broadcaster } = stage('s');
    socket.room = 0;
    show.map.apply(1, [{ seatId: 'A1', state: 'held' }]);
    broadcaster.changed(show);
    socket.room = Number.POSITIVE_INFINITY;
    sender.drained();
    vi.advanceTimersByTime(100);
    expectInStep(socket, show);
  });

  it('gets a snapshot when the map was replaced meanwhile', () => {
    const { socket, show, change, replace, read } = stage('s');
    socket.room = 0;
    change();
    replace('e2', 3);
    read();
    expect(socket.sent.at(-1)).toMatchObject({ type: 'snapshot', epoch: 'e2', seq: 3 });
    expectInStep(socket, show);
  });

  it('gets another snapshot when it was one that was dropped, even in the same epoch', () => {
    const { socket, show, replace, read } = stage('s');
    socket.room = 0;
    replace('e1', 1);
    read();
    expect(socket.sent.at(-1)).toMatchObject({ type: 'snapshot', epoch: 'e1', seq: 1 });
    expectInStep(socket, show);
  });

  it('stays as far behind as it was when what should bring it into step is dropped as well', () => {
    const { socket, shows, change, read } = stage('s', 't', 'u');
    socket.room = 0;
    for (const show of shows) for (let i = 0; i < 3; i++) change(show);
    read(1);
    for (const show of shows) change(show);
    read(2);
    for (const show of shows) change(show);
    read();
    for (const show of shows) {
      change(show);
      expectInStep(socket, show);
    }
  });

  it('is counted: as slow while it is, each time that it falls out of step, each whole map it needs', async () => {
    const { metrics, socket, sender, change, replace, read } = stage('s');
    socket.room = 0;
    change();
    expect(sender.isSlow).toBe(true);
    replace('e2', 0);
    read();
    expect(sender.isSlow).toBe(false);
    const text = await metrics.registry.metrics();
    expect(text).toContain('rowlock_slow_reader_drops_total 1');
    expect(text).toContain('rowlock_snapshots_total{cause="watch"} 1');
    expect(text).toContain('rowlock_snapshots_total{cause="slow_reader"} 1');
  });

  it('loses no reply: they are kept in order, and come before what it missed', () => {
    const { socket, sender, show, change, read } = stage('s');
    socket.room = 0;
    change();
    sender.send('{"type":"unwatched","id":"r1","showId":"x"}');
    sender.watch(show, 'r2', { epoch: 'e1', seq: 0 });
    change();
    sender.send('{"type":"unwatched","id":"r3","showId":"x"}');
    sender.flush();
    const before = socket.sent.length;
    read();
    const ids = socket.sent.slice(before).map((frame) => ('id' in frame ? frame.id : frame.type));
    expect(ids).toEqual(['r1', 'r2', 'r3', 'delta']);
    expectInStep(socket, show);
  });

  it('is closed with 4008 after 30 s, and not when it was read before', () => {
    const { socket, sender, change, read } = stage('s');
    socket.room = 0;
    change();
    vi.advanceTimersByTime(limits.slowReaderMs - 1_000);
    read();
    vi.advanceTimersByTime(limits.slowReaderMs);
    expect(socket.closeCode).toBeUndefined();
    socket.room = 0;
    change();
    vi.advanceTimersByTime(limits.slowReaderMs);
    expect(socket.closeCode).toBe(4008);
    sender.ended();
  });

  it('is closed with 4008 when more replies wait for it than one may keep', () => {
    const { socket, sender } = stage('s');
    socket.room = 0;
    const reply = '{"type":"unwatched","id":"r","showId":"x"}';
    for (let i = 0; i < sessionLimits.maxUnsentReplies; i++) sender.send(reply);
    sender.flush();
    vi.advanceTimersByTime(0);
    expect(socket.closeCode).toBeUndefined();
    sender.send(reply);
    sender.flush();
    vi.advanceTimersByTime(0);
    expect(socket.closeCode).toBe(4008);
    const large = stage('s');
    large.socket.room = 0;
    for (let i = 0; i < 5; i++) large.sender.send('x'.repeat(sessionLimits.maxUnsentBytes / 4));
    large.sender.flush();
    vi.advanceTimersByTime(0);
    expect(large.socket.closeCode).toBe(4008);
  });

  it('is overrun from then on, before it could be closed: nothing more is kept for it', () => {
    const { socket, sender } = stage('s');
    socket.room = 0;
    for (let i = 0; i < sessionLimits.maxUnsentReplies; i++) sender.send('{}');
    sender.flush();
    expect(sender.overrun).toBe(false);
    sender.send('{}');
    sender.flush();
    expect([sender.overrun, socket.closeCode]).toEqual([true, undefined]);
    vi.advanceTimersByTime(0);
    expect([sender.overrun, socket.closeCode]).toEqual([true, 4008]);
  });

  it('costs nothing once it is gone', () => {
    const { socket, sender, change } = stage('s');
    socket.room = 0;
    change();
    sender.ended();
    expect(vi.getTimerCount()).toBe(0);
    sender.send('{"type":"unwatched","id":"r","showId":"x"}');
    sender.drained();
    expect(sender.watching).toBe(0);
  });
});
