import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs, withDeadline } from '../clock.ts';
import { type Address, nameOf } from './addresses.ts';
import { type ClusterView, movedTo, readView, SLOTS, slotOf } from './cluster-view.ts';
import { CONNECT_TIMEOUT_MS, nodeEndpoint, type RedisSettings, StoreUnavailable } from './redis-client.ts';
import { RedisLink, type RedisStore } from './redis-link.ts';
import { RedisUnusable } from './redis-unusable.ts';
import type { RedisTarget } from './redis-url.ts';

/** Between two requests for the slot table while something is wrong. */
const ASK_AGAIN_MIN_MS = 25;
const ASK_AGAIN_MAX_MS = 500;
/** Nodes asked in parallel when no master answers. */
const ASKED_AT_ONCE = 5;

interface Node {
  readonly address: Address;
  readonly link: RedisLink;
}

/**
 * A Redis Cluster: one link to each master, and which of them serves which slot.
 *
 * Every step runs at the master of its show's slot and carries that master's run id. So when a slot has moved (a failover, a
 * resharding), its shows begin new epochs, as after a replaced Redis. A node that answers `MOVED` has done nothing: the step is
 * sent once more to the node that it names. Nothing else is ever sent twice. (Rejected: the client library's own cluster chooses
 * the node after the arguments, which contain the run id, are written. decisions/0010)
 *
 * Whatever suggests that slots have moved (`MOVED`, `CLUSTERDOWN`, a lost link) wakes `#refresh`. Only there is the slot table
 * requested, until every slot has a master that can be reached.
 */
export class RedisCluster implements RedisStore {
  readonly #target: Extract<RedisTarget, { kind: 'cluster' }>;
  readonly #settings: RedisSettings;
  readonly #nodes = new Map<string, Node>();
  readonly #owners = new Array<RedisLink | undefined>(SLOTS).fill(undefined);
  #masters: readonly RedisLink[] = [];
  /** Nodes to ask when no master answers. */
  #known: readonly Address[];
  #hasHoles = false;
  #problem: Error | undefined;
  #refreshing: Promise<void> | undefined;
  #suspected = false;
  #closed = false;
  #onMoved: () => void = () => {};

  constructor(target: Extract<RedisTarget, { kind: 'cluster' }>, settings: RedisSettings) {
    this.#target = target;
    this.#settings = settings;
    this.#known = target.nodes;
  }

  get timeoutMs(): number {
    return this.#settings.timeoutMs;
  }

  get masters(): readonly RedisLink[] {
    return this.#masters;
  }

  masterOf(key: string): RedisLink | undefined {
    return this.#owners[slotOf(key)];
  }

  /** One listener: the subscriber. */
  onMoved(listener: () => void): void {
    this.#onMoved = listener;
  }

  async connect(): Promise<void> {
    try {
      await withDeadline(this.#begin(), CONNECT_TIMEOUT_MS);
    } catch {
      // Another one is silent.
      if (!this.#closed && this.#masters.some(stands)) return;
      const problems = this.#whatIsWrong();
      this.close();
      const nodes = this.#target.nodes.map(nameOf).join(', ');
      throw new RedisUnusable(`cannot use the Redis cluster at ${nodes}`, ...problems);
    }
  }

  async step(name: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const fromMs = monotonicMs();
    const link = this.masterOf(keys[0] ?? '');
    if (link === undefined) {
      this.#settings.onStep?.(name, false);
      this.suspect();
      throw new StoreUnavailable('no master serves the slot', false);
    }
    // One deadline for both attempts and everything they wait for.
    const stepAt = async (master: RedisLink) => {
      const leftMs = () => this.timeoutMs - (monotonicMs() - fromMs);
      // A replica that was just promoted is not connected to yet.
      if (master.isNew) await master.ready(leftMs());
      return master.step(name, keys, args, leftMs());
    };
    try {
      return await stepAt(link);
    } catch (error) {
      const next = this.#redirected(error, link);
      if (next === undefined) throw error;
      return stepAt(next);
    }
  }

  async scanHash(key: string): Promise<[field: string, value: string][]> {
    const link = this.masterOf(key);
    if (link === undefined) throw new StoreUnavailable('no master serves the slot', false);
    try {
      return await link.scanHash(key);
    } catch (error) {
      this.#redirected(error, link);
      throw error;
    }
  }

  async ping(): Promise<number> {
    if (this.#hasHoles) throw new StoreUnavailable('no master serves some slots', false);
    return Math.max(...(await Promise.all(this.#masters.map((link) => link.ping()))));
  }

  suspect(error?: unknown, by?: RedisLink): void {
    this.#learn(error, by);
    this.#suspected = true;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
      if (this.#suspected && !this.#closed) this.suspect();
    });
  }

  close(): void {
    this.#closed = true;
    for (const { link } of this.#nodes.values()) link.close();
  }

  /**
   * Resolves once every master was reached or is known to be away, and one stands. It serves its shows, whatever becomes of the
   * others: `ping` tells that they are missing, their links say so in the log, and `#refresh` waits for them.
   */
  async #begin(): Promise<void> {
    const view = await this.#ask();
    if (view === undefined) throw new Error('nobody told who serves what');
    // Links opened now would never be closed.
    if (this.#closed) throw new Error('it was closed');
    this.#adopt(view);
    this.suspect();
    while (!this.#masters.some(stands) || this.#masters.some((link) => link.isNew)) {
      await pause(ASK_AGAIN_MIN_MS);
      if (this.#closed) throw new Error('it was closed');
    }
  }

  /** The link at which to repeat a refused step; undefined: none. */
  #redirected(error: unknown, by: RedisLink): RedisLink | undefined {
    if (!(error instanceof StoreUnavailable) || !/^(MOVED|CLUSTERDOWN)/.test(error.message)) return undefined;
    const next = this.#learn(error, by);
    this.suspect();
    return next === by ? undefined : next;
  }

  /** Updates the slot that a `MOVED` refusal names: that is newer than the last slot table. */
  #learn(error: unknown, by: RedisLink | undefined): RedisLink | undefined {
    const message = error instanceof Error ? error.message : '';
    const moved = movedTo(message, this.#hostOf(by));
    if (moved === undefined || this.#closed) return undefined;
    const link = this.#linkTo(moved.master);
    if (this.#owners[moved.slot] === link) return link;
    this.#owners[moved.slot] = link;
    this.#tellMoved();
    return link;
  }

  async #refresh(): Promise<void> {
    let againMs = ASK_AGAIN_MIN_MS;
    while (!this.#closed && (this.#suspected || !this.#isWhole())) {
      this.#suspected = false;
      const view = await this.#ask();
      if (this.#closed) return;
      if (view !== undefined) this.#adopt(view);
      // Also after the last request, so that a stream of refusals does not make a stream of requests.
      await pause(ASK_AGAIN_MIN_MS);
      if (view === undefined || this.#hasHoles) await pause(againMs);
      else await Promise.all(this.#links().map((link) => link.ready(againMs)));
      againMs = Math.min(againMs * 2, ASK_AGAIN_MAX_MS);
    }
  }

  #isWhole(): boolean {
    return !this.#hasHoles && this.#links().every(stands);
  }

  async #ask(): Promise<ClusterView | undefined> {
    for (const link of shuffled(this.#masters.filter(stands))) {
      const view = await this.#viewOf(link).catch(() => undefined);
      if (view !== undefined) return view;
    }
    const asked = shuffled(this.#known).slice(0, ASKED_AT_ONCE);
    return Promise.any(asked.map((address) => this.#askStranger(address))).catch(() => undefined);
  }

  async #askStranger(address: Address): Promise<ClusterView> {
    const link = new RedisLink(nodeEndpoint(address, this.#target), this.#settings);
    try {
      await link.connect();
      const view = await this.#viewOf(link, address);
      if (view === undefined) throw new Error(`${nameOf(address)} says that the cluster is down`);
      return view;
    } catch (error) {
      this.#problem = error instanceof Error ? error : undefined;
      throw error;
    } finally {
      link.close();
    }
  }

  async #viewOf(link: RedisLink, { host } = { host: this.#hostOf(link) }): Promise<ClusterView | undefined> {
    const [info, slots] = await link.clusterView();
    return readView(info, slots, host);
  }

  #adopt({ ranges, nodes }: ClusterView): void {
    this.#owners.fill(undefined);
    for (const { from, to, master } of ranges) this.#owners.fill(this.#linkTo(master), from, to + 1);
    const hasHoles = this.#owners.includes(undefined);
    if (hasHoles && !this.#hasHoles)
      this.#settings.log.warn('some slots of the Redis cluster have no master');
    this.#hasHoles = hasHoles;
    const serving = new Set(this.#owners);
    this.#known = uniqueOf([...nodes, ...this.#target.nodes]);
    // A table from a node that has not heard of a failover must not remove a link that a refusal has just added: steps wait for it.
    for (const [name, { link }] of this.#nodes)
      if (!serving.has(link) && !link.isNew) this.#retire(name, link);
    this.#tellMoved();
  }

  #tellMoved(): void {
    const serving = new Set(this.#owners);
    this.#masters = this.#links().filter((link) => serving.has(link));
    this.#onMoved();
  }

  /** Those to masters, and new ones that no table has named yet. */
  #links(): RedisLink[] {
    return [...this.#nodes.values()].map(({ link }) => link);
  }

  #linkTo(address: Address): RedisLink {
    const name = nameOf(address);
    const known = this.#nodes.get(name);
    if (known !== undefined) return known.link;
    const link = new RedisLink(nodeEndpoint(address, this.#target), this.#settings);
    this.#nodes.set(name, { address, link });
    link.on('run', () => link.runId === undefined && this.suspect());
    link.start();
    return link;
  }

  /** Closed later, since replies may still arrive: cut now, their outcome would be unknown. */
  #retire(name: string, link: RedisLink): void {
    this.#nodes.delete(name);
    link.removeAllListeners();
    setTimeout(() => link.close(), this.timeoutMs);
  }

  #hostOf(link: RedisLink | undefined): string {
    for (const node of this.#nodes.values()) if (node.link === link) return node.address.host;
    return '';
  }

  #whatIsWrong(): readonly Error[] {
    const away = this.#masters.filter((link) => !stands(link));
    const problems: Error[] = away.map(
      ({ endpoint, problem }) => new RedisUnusable(endpoint.name, problem ?? new Error('no answer')),
    );
    if (this.#hasHoles) problems.push(new Error('some slots have no master'));
    return problems.length > 0 ? problems : [this.#problem ?? new Error('no node answers')];
  }
}

const stands = ({ runId }: RedisLink): boolean => runId !== undefined;

function shuffled<T>(items: readonly T[]): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const item = shuffled[i];
    const other = shuffled[j];
    if (item !== undefined && other !== undefined) [shuffled[i], shuffled[j]] = [other, item];
  }
  return shuffled;
}

const uniqueOf = (addresses: readonly Address[]): Address[] => [
  ...new Map(addresses.map((address) => [nameOf(address), address])).values(),
];
