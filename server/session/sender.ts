import type { WebSocket as UwsSocket } from 'uWebSockets.js';
import { closeCodes, limits, type Position } from '../../protocol/index.ts';
import { type Broadcaster, topicOf } from '../broadcast/broadcaster.ts';
import { catchUp } from '../broadcast/frames.ts';
import { sessionLimits } from '../limits.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Shown } from '../seatmap/followed-show.ts';
import { flushSoon } from './outbox.ts';

export interface SocketData {
  readonly address: string;
}
/** What of a socket is used here. */
export type WebSocket = Pick<
  UwsSocket<SocketData>,
  'send' | 'subscribe' | 'unsubscribe' | 'getBufferedAmount' | 'end'
> & { cork(write: () => void): unknown };

/** What of the metrics is counted here. */
export type SenderMetrics = Pick<Metrics, 'snapshots' | 'drops'>;

/** What `ws.send` answers for a frame that it did not take; 0 (buffered) and 1 (sent) are both well. */
const DROPPED = 2;

interface Watch {
  readonly show: Shown;
  /** Set while it is out of step: up to here the client has everything. */
  behindSince: Position | undefined;
}

/**
 * Everything that leaves through one socket.
 *
 * States: in step (subscribed to the topics of its watches) → out of step (a frame was dropped because the client does not
 * read: unsubscribed, replies are kept) → in step again once the socket has drained, with what it missed; or, after
 * 30 s or too many kept replies, closed. Others notice nothing: their frames are shared, not copied.
 */
export class Sender {
  readonly #ws: WebSocket;
  readonly #broadcaster: Broadcaster;
  readonly #metrics: SenderMetrics;
  readonly #watches = new Map<string, Watch>();
  #open = true;
  #slowTimer: NodeJS.Timeout | undefined;
  /** Of this turn. */
  #outbox: string[] = [];
  #unsent: string[] = [];
  #unsentBytes = 0;
  #overrun = false;

  constructor(ws: WebSocket, broadcaster: Broadcaster, metrics: SenderMetrics) {
    this.#ws = ws;
    this.#broadcaster = broadcaster;
    this.#metrics = metrics;
  }

  /** Its client does not read. */
  get isSlow(): boolean {
    return this.#slowTimer !== undefined;
  }

  /** More replies wait for it than one may keep: it is about to be closed, and whatever it still asks for has no reply. */
  get overrun(): boolean {
    return this.#overrun;
  }

  get watching(): number {
    return this.#watches.size;
  }

  isWatching(showId: string): boolean {
    return this.#watches.has(showId);
  }

  /** Sends by the end of this turn. Never throws; after the end of the socket it does nothing. */
  send(text: string): void {
    if (!this.#open) return;
    if (this.#outbox.push(text) === 1) flushSoon(this);
  }

  /** What waits to be sent leaves in one write. */
  flush(): void {
    const texts = this.#outbox;
    if (texts.length === 0 || !this.#open) return;
    this.#outbox = [];
    const [first] = texts;
    if (texts.length === 1 && first !== undefined) this.#sendNow(first);
    else
      this.#ws.cork(() => {
        for (const text of texts) this.#sendNow(text);
      });
  }

  /**
   * Answers a `watch` and subscribes, in one synchronous block: what changes from here on comes as deltas. Watching again is
   * how a client that found a gap gets in step.
   * @param since what the client has; undefined or out of reach: it gets a snapshot
   */
  watch(show: Shown, id: string, since: Position | undefined): void {
    const map = show.map;
    if (!this.#open || map === undefined) return;
    // Before the subscription: while a socket has none, uWebSockets.js writes a large frame straight from where it is; later
    // it goes through a buffer, and the heap keeps a hole of the snapshot's size for every watcher.
    const { text, isSnapshot } = catchUp(show, map, since, id);
    this.flush();
    this.#sendNow(text);
    if (isSnapshot) this.#metrics.snapshots.count('watch');
    const outOfStep = this.#slowTimer !== undefined;
    this.#watches.set(show.showId, {
      show,
      behindSince: outOfStep ? { epoch: map.epoch, seq: map.seq } : undefined,
    });
    if (!outOfStep) this.#ws.subscribe(topicOf(show.showId));
  }

  unwatch(showId: string): void {
    if (this.#watches.delete(showId) && this.#open) this.#ws.unsubscribe(topicOf(showId));
  }

  /** A frame to this socket was dropped. Whatever else this turn of the loop published is gone with it. */
  dropped(): void {
    if (!this.#open || this.#slowTimer !== undefined) return;
    this.#slowTimer = setTimeout(() => this.close(closeCodes.tooSlow), limits.slowReaderMs);
    this.#metrics.drops.inc();
    for (const watch of this.#watches.values()) {
      // One that was not brought into step since it last fell out of it is as far behind as it was then.
      watch.behindSince ??= this.#broadcaster.surelySent(watch.show);
    }
    // Not now: uWebSockets.js tells of a drop while it walks the topic's subscribers, and crashes when one of them leaves.
    setImmediate(() => this.#leaveTopics());
  }

  #sendNow(text: string): void {
    if (!this.#open) return;
    if (this.#unsent.length > 0 || this.#ws.send(text) === DROPPED) this.#keep(text);
  }

  #leaveTopics(): void {
    // In step again already: then it has to stay.
    if (!this.#open || this.#slowTimer === undefined) return;
    for (const showId of this.#watches.keys()) this.#ws.unsubscribe(topicOf(showId));
  }

  /** The socket takes more. */
  drained(): void {
    if (this.#slowTimer === undefined || this.#ws.getBufferedAmount() > 0) return;
    clearTimeout(this.#slowTimer);
    this.#slowTimer = undefined;
    this.#sendUnsent();
    for (const watch of this.#watches.values()) this.#resynchronise(watch);
  }

  /** Ends the socket with a code. The close handler runs before this returns. */
  close(code: number): void {
    this.flush();
    if (this.#open) this.#ws.end(code);
  }

  /** The socket is gone. */
  ended(): void {
    this.#open = false;
    clearTimeout(this.#slowTimer);
    this.#outbox = [];
    this.#unsent = [];
    this.#watches.clear();
  }

  #sendUnsent(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    this.#unsentBytes = 0;
    for (const text of unsent) this.#sendNow(text);
  }

  #resynchronise(watch: Watch): void {
    // Dropped again by what went before.
    if (this.#slowTimer !== undefined || !this.#open) return;
    const { show, behindSince } = watch;
    if (show.map === undefined) return;
    watch.behindSince = undefined;
    this.#ws.subscribe(topicOf(show.showId));
    const { text, isSnapshot } = catchUp(show, show.map, behindSince);
    if (isSnapshot) this.#metrics.snapshots.count('slow_reader');
    if (this.#ws.send(text) !== DROPPED) return;
    // Not kept like a reply: it can be made anew, and the next one tells more.
    watch.behindSince = behindSince;
    this.dropped();
  }

  #keep(text: string): void {
    if (this.#overrun) return;
    this.#unsent.push(text);
    this.#unsentBytes += text.length;
    const tooMany = this.#unsent.length > sessionLimits.maxUnsentReplies;
    this.#overrun = tooMany || this.#unsentBytes > sessionLimits.maxUnsentBytes;
    // Later: a socket is not ended while it is corked.
    if (this.#overrun) setImmediate(() => this.close(closeCodes.tooSlow));
    else this.dropped();
  }
}
