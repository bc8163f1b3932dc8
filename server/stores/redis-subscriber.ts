import { Redis } from 'ioredis';
import { monotonicMs, withDeadline } from '../clock.ts';
import { CONNECT_TIMEOUT_MS, clientOptions, type RedisSettings, type RedisStore } from './redis.ts';

const BEAT_MS = 500;
const BEATS_MISSED = 3;

/**
 * The connection for the feeds, apart from commands. It has a liveness check of its own: the command connection
 * publishes a beat that must arrive here, on the way of the changes themselves. A socket that died in silence
 * is thus noticed though nothing is ever sent on it.
 */
export class RedisSubscriber {
  readonly #client: Redis;
  readonly #store: RedisStore;
  readonly #settings: RedisSettings;
  readonly #beatChannel: string;
  readonly #channels = new Set<string>();
  readonly #onMessage: (channel: string, message: string) => void;
  readonly #onResubscribed: () => void;
  #timer: NodeJS.Timeout | undefined;
  #lastBeatMs = monotonicMs();
  #cutAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    settings: RedisSettings,
    store: RedisStore,
    on: {
      /** A message of a subscribed channel. */
      message: (channel: string, message: string) => void;
      /** The subscriptions stand again after a break: what was published meanwhile is lost. */
      resubscribed: () => void;
    },
    serverId: string,
  ) {
    this.#settings = settings;
    this.#store = store;
    this.#onMessage = on.message;
    this.#onResubscribed = on.resubscribed;
    this.#beatChannel = `beat:{${serverId}}`;
    // Subscriptions are made by hand at every `ready`: the client's own are silent about when they stand again.
    // A subscriber may rightly be silent, so silence cuts nothing here: the beat does.
    const { socketTimeout: _, ...common } = clientOptions(settings);
    this.#client = new Redis(settings.url, { ...common, autoResubscribe: false });
    this.#client.on('error', (error: Error) =>
      settings.log.debug({ error: error.message }, 'Redis subscriber'),
    );
    this.#client.on('ready', () => void this.#onReady());
    this.#client.on('smessage', (channel: string, message: string) => this.#receive(channel, message));
  }

  /** For how long a beat has been missing, in ms; 0: it is alive. */
  get overdueMs(): number {
    const silentMs = monotonicMs() - this.#lastBeatMs;
    return silentMs > BEAT_MS * 2 ? silentMs : 0;
  }

  async connect(): Promise<void> {
    await withDeadline(this.#client.connect(), CONNECT_TIMEOUT_MS);
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  /** Resolves once the subscription stands; a break is mended by itself (`resubscribed` tells). */
  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel);
    await this.#client.ssubscribe(channel);
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#channels.delete(channel);
    await this.#client.sunsubscribe(channel).catch(() => {});
  }

  close(): void {
    clearInterval(this.#timer);
    this.#client.disconnect();
  }

  async #onReady(): Promise<void> {
    this.#lastBeatMs = monotonicMs();
    try {
      // One by one: in a cluster each channel has a slot of its own, and they leave in one write all the same.
      await Promise.all(
        [this.#beatChannel, ...this.#channels].map((channel) => this.#client.ssubscribe(channel)),
      );
      this.#onResubscribed();
    } catch (error) {
      this.#settings.log.warn(
        { error: String(error) },
        'the feeds could not be subscribed; connecting again',
      );
      this.#client.disconnect(true);
    }
  }

  #receive(channel: string, message: string): void {
    this.#lastBeatMs = monotonicMs();
    if (channel !== this.#beatChannel) this.#onMessage(channel, message);
  }

  #beat(): void {
    if (this.#store.runId === undefined) {
      // Redis itself is away: nothing can be said about this connection.
      this.#lastBeatMs = monotonicMs();
      return;
    }
    this.#store.publish(this.#beatChannel, '').catch(() => {});
    const patienceMs = BEAT_MS * BEATS_MISSED;
    if (this.overdueMs < patienceMs || monotonicMs() - this.#cutAtMs < patienceMs) return;
    this.#settings.log.warn('the feed is silent; connecting again');
    this.#cutAtMs = monotonicMs();
    this.#client.disconnect(true);
  }
}
