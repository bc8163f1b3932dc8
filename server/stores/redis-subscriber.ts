import { withDeadline } from '../clock.ts';
import { CONNECT_TIMEOUT_MS, type RedisSettings } from './redis-client.ts';
import type { RedisLink, RedisStore } from './redis-link.ts';
import { ShardFeed } from './shard-feed.ts';

/** Before a subscription that was refused is tried again. */
const AGAIN_MS = 100;
/** Names tried for a beat channel in a slot of a given master. With three masters the third fits, on average. */
const MAX_NAMES = 100_000;

export interface SubscriberEvents {
  /** A message of a subscribed channel. */
  message(channel: string, message: string): void;
  /** These subscriptions are back after a break: what was published in between is lost. */
  resubscribed(channels: readonly string[]): void;
}

/**
 * The subscriptions, each at the master of its channel's slot: one connection for feeds beside every link for commands. When
 * slots move, their channels follow.
 */
export class RedisSubscriber {
  readonly #store: RedisStore;
  readonly #settings: RedisSettings;
  readonly #on: SubscriberEvents;
  readonly #serverId: string;
  readonly #channels = new Set<string>();
  readonly #feeds = new Map<RedisLink, ShardFeed>();
  #again: NodeJS.Timeout | undefined;

  constructor(settings: RedisSettings, store: RedisStore, on: SubscriberEvents, serverId: string) {
    this.#settings = settings;
    this.#store = store;
    this.#on = on;
    this.#serverId = serverId;
  }

  /** For how long a beat has been missing, in ms; 0: every master's is alive. */
  get overdueMs(): number {
    return Math.max(0, ...[...this.#feeds.values()].map(({ overdueMs }) => overdueMs));
  }

  async connect(): Promise<void> {
    this.#store.onMoved(() => this.#follow());
    const reached = this.#store.masters.filter(({ runId }) => runId !== undefined);
    const connecting = reached.map((link) => this.#open(link));
    // The feeds of the others come up with their masters.
    this.#follow();
    try {
      await withDeadline(Promise.all(connecting), CONNECT_TIMEOUT_MS);
    } catch (error) {
      throw new Error('cannot hear the feeds of Redis', { cause: error });
    }
  }

  /** Resolves once subscribed. After a break it subscribes again by itself (`resubscribed` tells). */
  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel);
    const feed = this.#feedOf(channel);
    if (feed === undefined) throw new Error(`nobody serves ${channel}`);
    await this.#subscribe(feed, channel);
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#channels.delete(channel);
    await Promise.all([...this.#feeds.values()].map((feed) => feed.unsubscribe(channel)));
  }

  close(): void {
    clearTimeout(this.#again);
    this.#store.onMoved(() => {});
    for (const feed of this.#feeds.values()) feed.close();
  }

  #feedOf(channel: string): ShardFeed | undefined {
    const link = this.#store.masterOf(channel);
    return link && this.#feeds.get(link);
  }

  #open(link: RedisLink): Promise<void> {
    const feed = new ShardFeed(this.#settings, link, this.#beatChannelAt(link), {
      message: (channel, message) => this.#on.message(channel, message),
      resubscribed: (channels) => this.#on.resubscribed(channels),
      moved: () => this.#store.suspect(),
    });
    this.#feeds.set(link, feed);
    return feed.connect();
  }

  /** Slots have, or may have, other masters: moves every channel to the master of its slot. */
  #follow(): void {
    const { masters } = this.#store;
    for (const [link, feed] of this.#feeds) {
      if (masters.includes(link)) continue;
      feed.close();
      this.#feeds.delete(link);
    }
    for (const link of masters) {
      const feed = this.#feeds.get(link);
      if (feed === undefined) this.#open(link).catch(() => {});
      else if (this.#store.masterOf(feed.beatChannel) !== link) feed.beatOn(this.#beatChannelAt(link));
    }
    for (const channel of this.#channels) this.#move(channel);
  }

  #move(channel: string): void {
    const owner = this.#feedOf(channel);
    if (owner === undefined || owner.has(channel)) return;
    for (const feed of this.#feeds.values()) if (feed !== owner) void feed.unsubscribe(channel);
    this.#subscribe(owner, channel).then(
      () => this.#on.resubscribed([channel]),
      () => {},
    );
  }

  async #subscribe(feed: ShardFeed, channel: string): Promise<void> {
    try {
      await feed.subscribe(channel);
    } catch (error) {
      this.#store.suspect(error, feed.link);
      this.#again ??= setTimeout(() => {
        this.#again = undefined;
        this.#follow();
      }, AGAIN_MS);
      throw error;
    }
  }

  /** A channel for the beat, in a slot of this master. */
  #beatChannelAt(link: RedisLink): string {
    for (let n = 0; n < MAX_NAMES; n++) {
      const channel = `beat:{${this.#serverId}.${n}}`;
      if (this.#store.masterOf(channel) === link) return channel;
    }
    return `beat:{${this.#serverId}}`;
  }
}
