import { Redis } from 'ioredis';
import { onFreePort } from '../../dev/process.ts';
import { type RedisService, startRedis } from '../../dev/redis.ts';
import { slotOf } from '../../stores/cluster-view.ts';
import type { FaultProxy } from './proxy.ts';
import { untilReplicated } from './replication.ts';
import { until } from './until.ts';

const SLOTS = 16_384;
/** Nobody is declared dead by a busy machine: tests say themselves when a replica takes over. */
const NODE_TIMEOUT_MS = 60_000;
/** Until a master that was killed is declared dead, where the cluster has to find that out. */
const ELECTION_TIMEOUT_MS = 2_000;
/** One vote in vain is several of these times: there are many tries in it. */
const ELECTED_WITHIN_MS = 150_000;
const HAND_OVER_AGAIN_MS = 6_000;

/** One server of a cluster, and a client that looks behind everybody's back. */
export interface ClusterNode {
  readonly service: RedisService;
  readonly admin: Redis;
  readonly id: string;
}

/** A Redis Cluster on the loopback address: masters with equal shares of the slots, and replicas. */
export class TestCluster {
  readonly #masters: ClusterNode[];
  readonly #replicas: ClusterNode[];

  private constructor(masters: ClusterNode[], replicas: ClusterNode[]) {
    this.#masters = masters;
    this.#replicas = replicas;
  }

  /**
   * Takes two seconds: a new node lets that pass before it believes in its cluster.
   * @param proxies by way of which clients reach the first masters: the cluster tells them so
   */
  static async start(
    dirOf: (name: string) => string,
    { masters = 3, replicas = 0, proxies = [] as readonly FaultProxy[] } = {},
  ): Promise<TestCluster> {
    const names = Array.from({ length: masters + replicas }, (_, i) => dirOf(`node-${i}`));
    const nodes = await Promise.all(names.map((dir, i) => startNode(dir, proxies[i])));
    const cluster = new TestCluster(nodes.slice(0, masters), nodes.slice(masters));
    try {
      await cluster.#form();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get masters(): readonly ClusterNode[] {
    return this.#masters;
  }

  /** Of the masters, in their order. */
  get replicas(): readonly ClusterNode[] {
    return this.#replicas;
  }

  get nodes(): readonly ClusterNode[] {
    return [...this.masters, ...this.replicas];
  }

  get url(): string {
    return `redis+cluster://${this.masters.map(({ service }) => `127.0.0.1:${service.port}`).join(',')}`;
  }

  /** The place among the masters of the one that the show's slot began at. */
  masterOf(showId: string): number {
    return Math.floor(slotOf(showId) / share(this.masters.length));
  }

  /** Kills the master with -9; its replica takes its slots over, whatever the others say. They change places here. */
  async failOver(master: number): Promise<void> {
    const [{ service, admin }, heir] = this.#pair(master);
    await untilReplicated(admin, heir.admin);
    service.signal('SIGKILL');
    await service.exited;
    await heir.admin.cluster('FAILOVER', 'TAKEOVER');
    await until('the replica to take over', () => isMaster(heir));
    this.#swap(master);
  }

  /**
   * Kills the master with -9 and leaves the rest to the cluster: the others find it dead and elect its replica. They change
   * places here. No other replica stands for election, be a machine without time ever so silent.
   */
  async elect(master: number): Promise<void> {
    const [{ service, admin }, heir] = this.#pair(master);
    const electing = this.nodes.filter((node) => node.service !== service);
    const configure = (name: string, value: string, nodes = electing) =>
      Promise.all(nodes.map((node) => node.admin.config('SET', name, value)));
    const others = this.replicas.filter((replica) => replica !== heir);
    await untilReplicated(admin, heir.admin);
    await configure('cluster-replica-no-failover', 'yes', others);
    await configure('cluster-node-timeout', String(ELECTION_TIMEOUT_MS));
    service.signal('SIGKILL');
    await service.exited;
    await until('the replica to be elected', () => isMaster(heir), ELECTED_WITHIN_MS);
    await configure('cluster-node-timeout', String(NODE_TIMEOUT_MS));
    await configure('cluster-replica-no-failover', 'no', others);
    this.#swap(master);
  }

  /** Kills the master with -9, and waits until the other masters have declared it dead. It has no replica. */
  async kill(master: number): Promise<void> {
    const dead = this.masters[master];
    const others = this.masters.filter((node) => node !== dead);
    for (const { admin } of others) await admin.config('SET', 'cluster-node-timeout', ELECTION_TIMEOUT_MS);
    dead?.service.signal('SIGKILL');
    await dead?.service.exited;
    const isDeclared = ({ admin }: ClusterNode) =>
      linesOf(admin).then((lines) =>
        lines.some((line) => line.startsWith(`${dead?.id} `) && / master,fail /.test(line)),
      );
    for (const node of others)
      await until('it to be declared dead', () => isDeclared(node), ELECTED_WITHIN_MS);
  }

  /** Starts the one that was killed again: it finds its slots at its heir, and becomes the heir's replica. */
  async revive(master: number): Promise<void> {
    const [, dead] = this.#pair(master);
    dead.admin.disconnect();
    const revived = await startNode(dead.service.dir, undefined, dead.service);
    this.#replicas[master] = revived;
    await until('it to follow its heir', async () =>
      /master_link_status:up/.test(await revived.admin.info('replication')),
    );
  }

  /**
   * The replica and its master change places in good order, as for an upgrade: nothing is lost. A replica gives up after 5 s
   * when it is not let in that time, so it is asked again until it is.
   * @returns how often it was asked: once is good order; otherwise nobody was answered for seconds
   */
  async handOver(master: number): Promise<number> {
    const [, heir] = this.#pair(master);
    let askedMs = Number.NEGATIVE_INFINITY;
    let asked = 0;
    await until('the replica to take over', async () => {
      if (await isMaster(heir)) return true;
      if (performance.now() - askedMs < HAND_OVER_AGAIN_MS) return false;
      askedMs = performance.now();
      asked += 1;
      // Refused when it has become the master in between.
      await heir.admin.cluster('FAILOVER').catch(() => undefined);
      return false;
    });
    this.#swap(master);
    return asked;
  }

  /**
   * Moves the slot of a show with its keys, as `redis-cli --cluster reshard` does.
   * @param onMove when the slot is on its way, before and after its keys are moved
   */
  async moveSlot(
    showId: string,
    [from, to]: readonly [number, number],
    onMove = async (_keysMoved: boolean): Promise<void> => {},
  ): Promise<void> {
    const [source, target] = [this.masters[from], this.masters[to]];
    if (source === undefined || target === undefined) throw new Error('there are no such masters');
    const slot = slotOf(showId);
    await target.admin.cluster('SETSLOT', slot, 'IMPORTING', source.id);
    await source.admin.cluster('SETSLOT', slot, 'MIGRATING', target.id);
    await onMove(false);
    for (;;) {
      const keys = await source.admin.cluster('GETKEYSINSLOT', slot, 100);
      if (keys.length === 0) break;
      const { port } = target.service;
      await source.admin.call('MIGRATE', '127.0.0.1', port, '', 0, 5_000, 'KEYS', ...keys);
    }
    await onMove(true);
    // The new owner first: a slot that nobody owns would be lost. The others hear of it by themselves.
    for (const { admin } of [target, source]) await admin.cluster('SETSLOT', slot, 'NODE', target.id);
  }

  async stop(): Promise<void> {
    for (const { admin } of this.nodes) admin.disconnect();
    await Promise.all(this.nodes.map(({ service }) => service.stop()));
  }

  #pair(master: number): readonly [before: ClusterNode, heir: ClusterNode] {
    const [before, heir] = [this.#masters[master], this.#replicas[master]];
    if (before === undefined || heir === undefined) throw new Error('there is nobody to take over');
    return [before, heir];
  }

  #swap(master: number): void {
    const [before, heir] = this.#pair(master);
    [this.#masters[master], this.#replicas[master]] = [heir, before];
  }

  async #form(): Promise<void> {
    const [first] = this.masters;
    if (first === undefined) return;
    for (const [i, { admin }] of this.masters.entries()) {
      const size = share(this.masters.length);
      await admin.cluster('SET-CONFIG-EPOCH', i + 1);
      await admin.cluster('ADDSLOTSRANGE', i * size, Math.min((i + 1) * size, SLOTS) - 1);
    }
    await this.#introduceAll(first);
    for (const { admin } of this.nodes)
      await until('all nodes to meet', async () => this.#haveMet(await linesOf(admin)));
    for (const [i, { admin }] of this.replicas.entries()) {
      await admin.cluster('REPLICATE', this.masters[i]?.id ?? '');
      await until('a replica to follow', async () =>
        /master_link_status:up/.test(await admin.info('replication')),
      );
    }
    // Masters must have heard of the replicas to vote for one. Gossip would tell them in half a minute.
    for (const replica of this.replicas) await this.#introduceAll(replica);
    for (const { admin } of this.nodes) {
      await until('all nodes to know each other', async () => this.#areKnown(await linesOf(admin)));
      await until('the cluster to work', async () => /cluster_state:ok/.test(await admin.cluster('INFO')));
    }
  }

  async #introduceAll({ admin }: ClusterNode): Promise<void> {
    for (const { service } of this.nodes) await admin.call('CLUSTER', 'MEET', ...addressOf(service));
  }

  /** One that has not answered yet has another id. */
  #haveMet(lines: readonly string[]): boolean {
    return this.nodes.every(({ id }) => lines.some((line) => line.startsWith(`${id} `)));
  }

  #areKnown(lines: readonly string[]): boolean {
    const roles = this.replicas.map(({ id }, i) => `${id} slave ${this.masters[i]?.id}`);
    const told = lines.map((line) => line.replace(/^(\S+) \S+ (?:myself,)?(\S+) (\S+) .*$/, '$1 $2 $3'));
    const connected = lines.every((line) => / connected\b/.test(line));
    return lines.length === this.nodes.length && connected && roles.every((role) => told.includes(role));
  }
}

const isMaster = async ({ admin }: ClusterNode): Promise<boolean> =>
  /role:master/.test(await admin.info('replication'));
const share = (masters: number): number => Math.ceil(SLOTS / masters);
const busPorts = new WeakMap<RedisService, number>();
const addressOf = (service: RedisService) => ['127.0.0.1', service.port, busPorts.get(service) ?? 0] as const;
/** What a node knows of all of them, a line each: id, address, flags, its master, …, the state of the link to it. */
const linesOf = async (admin: Redis): Promise<string[]> =>
  String(await admin.cluster('NODES'))
    .trim()
    .split('\n');

/** @param before the same node in its life before this one: its addresses stay */
async function startNode(
  dir: string,
  proxy: FaultProxy | undefined,
  before?: RedisService,
): Promise<ClusterNode> {
  const start = async (busPort: number) => {
    const settings = {
      'cluster-enabled': 'yes',
      'cluster-config-file': 'nodes.conf',
      'cluster-node-timeout': String(NODE_TIMEOUT_MS),
      'cluster-port': String(busPort),
      'repl-diskless-sync-delay': '0',
      // However long an election takes, its replica may stand.
      'cluster-replica-validity-factor': '0',
      ...(proxy && { 'cluster-announce-port': String(proxy.port) }),
    };
    return { busPort, service: await startRedis({ dir, port: before?.port, settings }) };
  };
  const busPortBefore = before && busPorts.get(before);
  // Under load somebody's socket takes one in between.
  const { busPort, service } = await (busPortBefore === undefined ? onFreePort(start) : start(busPortBefore));
  proxy?.retarget(service.port);
  busPorts.set(service, busPort);
  const admin = new Redis(service.url, { maxRetriesPerRequest: 0 });
  // A test may kill it.
  admin.on('error', () => undefined);
  return { service, admin, id: await admin.cluster('MYID') };
}
