import type { Log } from '../observability/log.ts';
import type { RedisSettings, RedisStore } from '../stores/redis.ts';
import { RedisSubscriber } from '../stores/redis-subscriber.ts';
import { feedChannel, showOfChannel } from './channel.ts';
import { type Entry, parseEntry, parseSuperseded, type Superseded } from './entry.ts';

/** What a follower of one show is told. None of it can be trusted alone: it may be late, repeated, or of an older epoch. */
export interface FeedListener {
  entry(entry: Entry): void;
  superseded(notice: Superseded): void;
  /** Messages may have been lost. The listener must read the log before it trusts its state again. */
  distrust(): void;
}

/** Receives the changes of each followed show as they are published, in order. It has its own connections to Redis. */
export class Feed {
  readonly #subscriber: RedisSubscriber;
  readonly #listeners = new Map<string, FeedListener>();
  readonly #log: Log;

  constructor(settings: RedisSettings, store: RedisStore, serverId: string) {
    this.#log = settings.log;
    const on = {
      message: (channel: string, message: string) => this.#receive(showOfChannel(channel), message),
      resubscribed: (channels: readonly string[]) => this.#resubscribed(channels),
    };
    this.#subscriber = new RedisSubscriber(settings, store, on, serverId);
  }

  /** How long the feed has been silent although it should have said something; 0: it is alive. */
  get lagMs(): number {
    return this.#subscriber.overdueMs;
  }

  connect(): Promise<void> {
    return this.#subscriber.connect();
  }

  /** Resolves when the subscription is confirmed. Rejects when that fails; it is tried again with the next connection. */
  async follow(showId: string, listener: FeedListener): Promise<void> {
    this.#listeners.set(showId, listener);
    await this.#subscriber.subscribe(feedChannel(showId));
  }

  async unfollow(showId: string): Promise<void> {
    this.#listeners.delete(showId);
    await this.#subscriber.unsubscribe(feedChannel(showId));
  }

  close(): void {
    this.#subscriber.close();
  }

  #receive(showId: string, message: string): void {
    const listener = this.#listeners.get(showId);
    if (listener === undefined) return;
    const notice = parseSuperseded(message);
    const entry = notice === undefined ? parseEntry(message) : undefined;
    if (notice !== undefined) listener.superseded(notice);
    else if (entry !== undefined) listener.entry(entry);
    else this.#misread(showId, listener);
  }

  #misread(showId: string, listener: FeedListener): void {
    this.#log.error({ showId }, 'a message on the feed is no entry; reading the log instead');
    listener.distrust();
  }

  #resubscribed(channels: readonly string[]): void {
    for (const channel of channels) this.#listeners.get(showOfChannel(channel))?.distrust();
  }
}
