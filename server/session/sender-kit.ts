import { expect, vi } from 'vitest';
import { decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import { Broadcaster, topicOf } from '../broadcast/broadcaster.ts';
import { createMetrics } from '../observability/metrics.ts';
import { SeatMap } from '../seatmap/seat-map.ts';
import { FoldedMap } from '../test/harness/client.ts';
import { Sender, type WebSocket } from './sender.ts';

const [SENT, DROPPED] = [1, 2];
const seatIds = Array.from({ length: 9 }, (_, i) => `A${i + 1}`);
const seating = { seatIds, seatIndex: new Map(seatIds.map((seatId, i) => [seatId, i])) };

/** A socket that takes so many frames, and then none until it is read. */
export class FakeSocket implements WebSocket {
  readonly topics = new Set<string>();
  readonly sent: ServerFrame[] = [];
  /** The subscribers are being walked: whoever leaves now takes the process with it. */
  isPublishing = false;
  room = Number.POSITIVE_INFINITY;
  closeCode: number | undefined;
  corks = 0;
  isCorked = false;

  send(text: string): number {
    if (this.room <= 0) return DROPPED;
    this.room -= 1;
    const decoded = decodeServerFrame(text);
    if (!decoded.ok) throw new Error(text);
    this.sent.push(decoded.frame);
    return SENT;
  }
  subscribe(topic: string): boolean {
    this.topics.add(topic);
    return true;
  }
  unsubscribe(topic: string): boolean {
    if (this.isPublishing) throw new Error('it left the topic while its subscribers were walked');
    return this.topics.delete(topic);
  }
  getBufferedAmount(): number {
    return 0;
  }
  cork(write: () => void): void {
    this.corks += 1;
    this.isCorked = true;
    write();
    this.isCorked = false;
  }
  end(code?: number): void {
    if (this.isCorked) throw new Error('it was ended while it was corked');
    this.closeCode = code;
  }
}

/** One socket that watches these shows. Under fake timers. */
export function stage(...showIds: string[]) {
  const socket = new FakeSocket();
  const broadcaster = new Broadcaster((topic, text) => {
    if (!socket.topics.has(topic)) return;
    socket.isPublishing = true;
    if (socket.send(text) === DROPPED) sender.dropped();
    socket.isPublishing = false;
  }, 25);
  const metrics = createMetrics();
  const sender = new Sender(socket, broadcaster, metrics);
  const shows = showIds.map((showId) => ({
    showId,
    map: new SeatMap(seating, 'e1', 0, [], []),
  }));
  const [first] = shows;
  if (first === undefined) throw new Error('no show');
  for (const show of shows) {
    broadcaster.reset(show);
    sender.watch(show, `watch-${show.showId}`, undefined);
  }
  vi.advanceTimersByTime(1_000);
  let changes = 0;
  return {
    socket,
    metrics,
    sender,
    broadcaster,
    show: first,
    shows,
    change: (show = first) => {
      const seatId = seatIds[changes++ % seatIds.length] ?? '';
      show.map.apply(show.map.seq + 1, [
        { seatId, state: show.map.stateOf(seatId) === 'held' ? 'available' : 'held' },
      ]);
      broadcaster.changed(show);
      vi.advanceTimersByTime(100);
    },
    replace: (epoch: string, seq: number) => {
      first.map = new SeatMap(seating, epoch, seq, ['A5'], ['A6']);
      broadcaster.reset(first);
      vi.advanceTimersByTime(100);
    },
    /** The client reads again, and this many frames find room. */
    read: (room = Number.POSITIVE_INFINITY) => {
      socket.room = room;
      sender.drained();
      vi.advanceTimersByTime(100);
    },
  };
}

/** What the client has is what the server has, and it saw no gap. */
export function expectInStep(socket: FakeSocket, { showId, map }: { showId: string; map: SeatMap }): void {
  const folded = new FoldedMap(showId);
  for (const frame of socket.sent)
    if (frame.type === 'snapshot' || frame.type === 'delta') folded.fold(frame);
  expect(folded.gaps).toBe(0);
  expect([folded.epoch, folded.seq]).toEqual([map.epoch, map.seq]);
  expect(Object.keys(folded.taken)).toEqual(seatIds.filter((seatId) => map.stateOf(seatId) !== 'available'));
  expect(socket.topics.has(topicOf(showId))).toBe(true);
}
