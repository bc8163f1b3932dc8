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

/** What `ws.send` returns for a frame that it dropped; 0 (buffered) and 1 (sent) are both success. */
const DROPPED = 2;

interface Watch {
  readonly show: Shown;
  /** Set while out of step: the client has everything up to here. */
  behindSince: Position | undefined;
}

/**
 * Everything that leaves through one socket.
 *
 * States: in step (subscribed to the topics of its watches) → out of step (a frame was dropped because the client does not
 * read: unsubscribed, replies are queued) → in step again when the socket has drained, after what it missed was sent; or,
 * after 30 s or with too many queued replies, closed. Other sockets are not affected.
 */
export class Sender {
  readonly #ws: WebSocket;
  readonly #broadcaster: Broadcaster;
  readonly #metrics: SenderMetrics;
  readonly #watches = new Map<string, Watch>();
  #open = true;
  #slowTimer: NodeJS.Timeout | undefined;
  /** Frames to send at the end of this event loop turn. */
  #outbox: string[] = [];
  #unsent: string[] = [];
  #unsentBytes = 0;
  #overrun = false;

  constructor(ws: WebSocket, broadcaster: Broadcaster, metrics: SenderMetrics) {
    this.#ws = ws;
    this.#broadcaster = broadcaster;
    this.#metrics = metrics;
  }

  /** Whether its client does not read. */
  get isSlow(): boolean {
    return this.#slowTimer !== undefined;
  }

  /** More replies are queued than allowed. It is about to be closed, so further frames of it need not be served. */
  get overrun(): boolean {
    return this.#overrun;
  }

  get watching(): number {
    return this.#watches.size;
  }

  isWatching(showId: string): boolean {
    return this.#watches.has(showId);
  }

  /** Sends at the end of this event loop turn. Never throws; does nothing once the socket is closed. */
  send(text: string): void {
    if (!this.#open) return;
    if (this.#outbox.push(text) === 1) flushSoon(this);
  }

  /** Sends everything that waits in one write. */
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
   * Answers a `watch` and subscribes, in one synchronous block, so that no change falls in between. A client that found a gap
   * watches again.
   * @param since the client's position; undefined or out of reach: it gets a snapshot
   */
  watch(show: Shown, id: string, since: Position | undefined): void {
    const map = show.map;
    if (!this.#open || map === undefined) return;
    // Before the subscription: only while a socket has never subscribed does uWebSockets.js write a large frame without copying
    // it. After it (rejected), the heap kept a hole of the snapshot's size for every watcher: 40 to 100 times the memory.
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

  /** A frame to this socket was dropped, and with it everything else that this event loop turn published to it. */
  dropped(): void {
    if (!this.#open || this.#slowTimer !== undefined) return;
    this.#slowTimer = setTimeout(() => this.close(closeCodes.tooSlow), limits.slowReaderMs);
    this.#metrics.drops.inc();
    for (const watch of this.#watches.values()) {
      // A watch that is still out of step keeps its earlier position.
      watch.behindSince ??= this.#broadcaster.surelySent(watch.show);
    }
    // Not synchronously: uWebSockets.js reports a drop while it iterates the topic's subscribers, and crashes if one unsubscribes.
    setImmediate(() => this.#leaveTopics());
  }

  #sendNow(text: string): void {
    if (!this.#open) return;
    if (this.#unsent.length > 0 || this.#ws.send(text) === DROPPED) this.#keep(text);
  }

  #leaveTopics(): void {
    // In step again already: it must stay subscribed.
    if (!this.#open || this.#slowTimer === undefined) return;
    for (const showId of this.#watches.keys()) this.#ws.unsubscribe(topicOf(showId));
  }

  /** The socket has room again. */
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
    // A frame sent just before was dropped again.
    if (this.#slowTimer !== undefined || !this.#open) return;
    const { show, behindSince } = watch;
    if (show.map === undefined) return;
    watch.behindSince = undefined;
    this.#ws.subscribe(topicOf(show.showId));
    const { text, isSnapshot } = catchUp(show, show.map, behindSince);
    if (isSnapshot) this.#metrics.snapshots.count('slow_reader');
    if (this.#ws.send(text) !== DROPPED) return;
    // Not queued like a reply: it can be made again later, then with more changes.
    watch.behindSince = behindSince;
    this.dropped();
  }

  #keep(text: string): void {
    if (this.#overrun) return;
    this.#unsent.push(text);
    this.#unsentBytes += text.length;
    const tooMany = this.#unsent.length > sessionLimits.maxUnsentReplies;
    this.#overrun = tooMany || this.#unsentBytes > sessionLimits.maxUnsentBytes;
    // Later: a corked socket must not be ended.
    if (this.#overrun) setImmediate(() => this.close(closeCodes.tooSlow));
    else this.dropped();
  }
}
