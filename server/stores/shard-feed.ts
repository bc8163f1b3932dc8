import type { Redis } from 'ioredis';
import { monotonicMs } from '../clock.ts';
import { clientOptions, type RedisSettings } from './redis-client.ts';
import type { RedisLink } from './redis-link.ts';

const BEAT_MS = 500;
const BEATS_MISSED = 3;

export interface ShardEvents {
  message(channel: string, message: string): void;
  /** These channels are subscribed again after a break. */
  resubscribed(channels: readonly string[]): void;
  /** The master has dropped subscriptions: their slots have moved away. */
  moved(): void;
}

/**
 * The connection for the feeds of one master, separate from commands. Since nothing is sent on it, it needs its own liveness
 * check: the command link publishes a beat that must arrive here, just like the changes. That shows a socket that died
 * silently, and one that leads to another server than the commands.
 */
export class ShardFeed {
  readonly link: RedisLink;
  readonly #client: Redis;
  readonly #settings: RedisSettings;
  readonly #on: ShardEvents;
  /** Subscribed, or to be subscribed when the connection is open. */
  readonly #channels = new Set<string>();
  #beatChannel: string;
  #timer: NodeJS.Timeout | undefined;
  #lastBeatMs = monotonicMs();
  #cutAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: RedisSettings, link: RedisLink, beatChannel: string, on: ShardEvents) {
    this.#settings = settings;
    this.link = link;
    this.#beatChannel = beatChannel;
    this.#on = on;
    // We subscribe ourselves at every `ready`: the client's own resubscription does not tell when it is done.
    // No `socketTimeout`: a feed may be silent for long. A missing beat cuts the connection instead.
    const { socketTimeout: _, ...common } = clientOptions(settings);
    this.#client = link.endpoint.open({ ...common, autoResubscribe: false });
    this.#client.on('error', (error: Error) =>
      settings.log.debug({ error: error.message, at: link.endpoint.name }, 'Redis subscriber'),
    );
    this.#client.on('ready', () => void this.#onReady());
    this.#client.on('smessage', (channel: string, message: string) => this.#receive(channel, message));
    this.#client.on('moved', () => this.#onMoved());
  }

  get beatChannel(): string {
    return this.#beatChannel;
  }

  /** For how long a beat has been missing, in ms; 0: it is alive. */
  get overdueMs(): number {
    const silentMs = monotonicMs() - this.#lastBeatMs;
    return silentMs > BEAT_MS * 2 ? silentMs : 0;
  }

  /** Resolves when the connection is open, after retries if need be. Rejects when it has been given up. */
  connect(): Promise<void> {
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
    return new Promise((resolve, reject) => {
      this.#client.once('ready', resolve);
      this.#client.once('end', () => reject(new Error('the connection for the feeds was closed')));
      this.#client.connect().catch(() => {});
    });
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  /** Rejects when it cannot subscribe now; without a connection it subscribes with the next one. */
  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel);
    try {
      await this.#client.ssubscribe(channel);
    } catch (error) {
      if (this.#client.status === 'ready') this.#channels.delete(channel);
      throw error;
    }
  }

  async unsubscribe(channel: string): Promise<void> {
    if (this.#channels.delete(channel)) await this.#client.sunsubscribe(channel).catch(() => {});
  }

  /** For when the slot of the earlier beat channel has moved. */
  beatOn(channel: string): void {
    this.#client.sunsubscribe(this.#beatChannel).catch(() => {});
    this.#beatChannel = channel;
    this.#client.ssubscribe(channel).catch(() => {});
  }

  close(): void {
    clearInterval(this.#timer);
    this.#client.disconnect();
  }

  async #onReady(): Promise<void> {
    this.#lastBeatMs = monotonicMs();
    const channels = [...this.#channels];
    try {
      // One by one, since channels are in different slots; they leave in one write all the same.
      await Promise.all([this.#beatChannel, ...channels].map((channel) => this.#client.ssubscribe(channel)));
      this.#on.resubscribed(channels);
    } catch (error) {
      // What has moved was reported by `moved`.
      if (error instanceof Error && error.message.startsWith('MOVED')) return;
      this.#settings.log.warn(
        { error: String(error), at: this.link.endpoint.name },
        'the feeds could not be subscribed; connecting again',
      );
      this.#client.disconnect(true);
    }
  }

  /** Redis does not tell which: all channels are subscribed again, wherever their slots are now. */
  #onMoved(): void {
    this.#channels.clear();
    this.#on.moved();
  }

  #receive(channel: string, message: string): void {
    this.#lastBeatMs = monotonicMs();
    if (channel !== this.#beatChannel) this.#on.message(channel, message);
  }

  #beat(): void {
    if (this.link.runId === undefined) {
      // Redis itself is down: this says nothing about this connection.
      this.#lastBeatMs = monotonicMs();
      return;
    }
    this.link.publish(this.#beatChannel, '').catch(() => {});
    const patienceMs = BEAT_MS * BEATS_MISSED;
    if (this.overdueMs < patienceMs || monotonicMs() - this.#cutAtMs < patienceMs) return;
    this.#settings.log.warn({ at: this.link.endpoint.name }, 'the feed is silent; connecting again');
    this.#cutAtMs = monotonicMs();
    this.#client.disconnect(true);
  }
}
