/**
 * Simulates a sale: the arrivals of buyers, the queues, and the batches that form in them. Arithmetic (sizing.ts) only gives means;
 * this gives waiting times, also while a rush builds up. The random order comes from a seed, so each run is the same.
 */
import { Agenda } from './agenda.ts';
import { type Costs, costOf } from './costs.ts';
import type { Setting } from './sale.ts';
import { Batches, Station } from './stations.ts';

export interface Simulated {
  readonly setting: Setting;
  readonly costs: Costs;
  /** Cores of PostgreSQL, for all servers. */
  readonly postgresCores: number;
  /** The share of each event loop that broadcasting and other work take. The rest is for buyers. */
  readonly otherLoad: number;
  /** The share of Redis that renewals take. */
  readonly redisOtherLoad: number;
  /** The round trip on the network between servers and stores. */
  readonly roundTripUs: number;
  readonly random: () => number;
}

export interface Played {
  readonly holdMs: readonly number[];
  readonly confirmMs: readonly number[];
  readonly purchases: number;
  /** Calls of stores for each purchase. */
  readonly calls: number;
  readonly tookS: number;
  readonly batch: { readonly holds: number; readonly confirms: number };
  readonly publicationsPerS: number;
  /** 1: one core is busy all the time. */
  readonly busy: { readonly server: number; readonly redis: number; readonly postgres: number };
}

type Done = () => void;

/** A server with buyers. */
class Server {
  readonly holds: Batches<Done>;
  readonly guards: Batches<Done>;
  readonly commits: Batches<Done>;
  readonly settles: Batches<Done>;
  readonly loop: Station;

  constructor(stage: Stage) {
    const { agenda, simulated } = stage;
    const { setting } = simulated;
    this.loop = new Station(agenda);
    const { callUs } = simulated.costs.server;
    const calling = (call: () => void) => this.loop.serve(callUs / (1 - simulated.otherLoad), call);
    const steps = (publishes: boolean) =>
      new Batches<Done>(setting.maxBatch, (batch, done) => calling(() => stage.step(batch, publishes, done)));
    this.holds = steps(true);
    // Guards change no seats, so they publish nothing.
    this.guards = steps(false);
    this.settles = steps(true);
    this.commits = new Batches<Done>(setting.maxBatch, (batch, done) =>
      calling(() => stage.commit(batch, done)),
    );
  }
}

class Stage {
  readonly agenda = new Agenda();
  readonly simulated: Simulated;
  readonly redis: Station;
  readonly postgres: Station;
  readonly servers: readonly Server[];
  publications = 0;

  constructor(simulated: Simulated) {
    this.simulated = simulated;
    this.redis = new Station(this.agenda);
    this.postgres = new Station(this.agenda, simulated.postgresCores);
    this.servers = Array.from({ length: simulated.setting.buyingServers }, () => new Server(this));
  }

  step(batch: readonly Done[], publishes: boolean, done: Done): void {
    const { costs, setting, roundTripUs, redisOtherLoad } = this.simulated;
    const publishUs = publishes ? costs.redis.publishUsPerServer * setting.servers : 0;
    if (publishes) this.publications += 1;
    const finish = () => this.#answer(batch, done);
    const us = costOf(costs.redis.step, batch.length) + publishUs;
    this.redis.serve(us / (1 - redisOtherLoad), finish, roundTripUs);
  }

  commit(batch: readonly Done[], done: Done): void {
    const { call, cpu } = this.simulated.costs.postgres;
    const cpuUs = costOf(cpu, batch.length);
    const restUs = Math.max(0, costOf(call, batch.length) - cpuUs);
    this.postgres.serve(cpuUs, () => this.#answer(batch, done), restUs + this.simulated.roundTripUs);
  }

  #answer(batch: readonly Done[], done: Done): void {
    done();
    for (const answered of batch) answered();
  }

  /** A purchase from its hold to its confirm, which the buyer sends `thinkUs` after the grant. */
  purchase(at: number, { refusals, thinkUs, held, confirmed }: Purchase): void {
    const server = this.servers[at % this.servers.length] as Server;
    const { costs, otherLoad } = this.simulated;
    const work = (us: number, done: Done) => server.loop.serve(us / (1 - otherLoad), done);
    const fromUs = this.agenda.now;
    const hold = (left: number): void =>
      work(costs.server.holdUs, () =>
        server.holds.add(() => {
          if (left > 0) return hold(left - 1);
          held((this.agenda.now - fromUs) / 1_000 / (refusals + 1));
          this.agenda.after(thinkUs, confirm);
        }),
      );
    const confirm = () => {
      const sentUs = this.agenda.now;
      const settled = () => confirmed((this.agenda.now - sentUs) / 1_000);
      work(costs.server.confirmUs, () =>
        server.guards.add(() => server.commits.add(() => server.settles.add(settled))),
      );
    };
    hold(refusals);
  }
}

interface Purchase {
  readonly refusals: number;
  readonly thinkUs: number;
  readonly held: (ms: number) => void;
  readonly confirmed: (ms: number) => void;
}

class Notes {
  readonly holdMs: number[] = [];
  readonly confirmMs: number[] = [];

  readonly held = (ms: number) => void this.holdMs.push(ms);
  readonly confirmed = (ms: number) => void this.confirmMs.push(ms);

  of(stage: Stage, tookS: number): Played {
    const mean = (all: readonly Batches<Done>[]) =>
      all.reduce((sum, { requests }) => sum + requests, 0) / all.reduce((sum, { calls }) => sum + calls, 0);
    const tookUs = tookS * 1e6;
    const { servers, redis, postgres, simulated } = stage;
    const loops = servers.reduce((sum, { loop }) => sum + loop.busyUs, 0);
    return {
      ...{ holdMs: this.holdMs, confirmMs: this.confirmMs, purchases: this.confirmMs.length, tookS },
      calls: callsOf(servers) / this.confirmMs.length,
      batch: {
        holds: mean(servers.map(({ holds }) => holds)),
        confirms: mean(servers.map(({ commits }) => commits)),
      },
      publicationsPerS: stage.publications / tookS,
      busy: {
        server: loops / servers.length / tookUs,
        redis: redis.busyUs / tookUs,
        postgres: postgres.busyUs / tookUs / simulated.postgresCores,
      },
    };
  }
}

const callsOf = (servers: readonly Server[]): number =>
  servers
    .flatMap(({ holds, guards, commits, settles }) => [holds, guards, commits, settles])
    .reduce((sum, { calls }) => sum + calls, 0);

/** Simulates the closed loop of a bench: whenever a purchase is confirmed, the next one begins. */
export function playClosed(simulated: Simulated, underWay: number, forS: number): Played {
  const [stage, notes] = [new Stage(simulated), new Notes()];
  let begun = 0;
  const next = (): void =>
    stage.purchase(begun++, {
      ...{ refusals: 0, thinkUs: 0, held: notes.held },
      confirmed: (ms) => {
        notes.confirmed(ms);
        next();
      },
    });
  for (let i = 0; i < underWay; i++) next();
  stage.agenda.runUntil(forS * 1e6);
  return notes.of(stage, forS);
}

/** Simulates buyers who arrive at random moments, so many a second, regardless of what became of earlier ones. */
export function playOpen(
  simulated: Simulated,
  {
    perS,
    forS,
    refusals,
    thinkS,
  }: { perS: (atS: number) => number; forS: number; refusals: number; thinkS: number },
): Played {
  const [stage, notes] = [new Stage(simulated), new Notes()];
  const { random } = simulated;
  const exponential = (mean: number) => -Math.log(1 - random()) * mean;
  // Thinning: arrivals are drawn at the highest rate, and each is kept with the probability that its time's rate gives.
  const most = perS(0);
  let begun = 0;
  const arrive = () => {
    const atS = stage.agenda.now / 1e6;
    if (atS >= forS) return;
    if (random() < perS(atS) / most)
      stage.purchase(begun++, { refusals, thinkUs: exponential(thinkS) * 1e6, ...notes });
    stage.agenda.after((exponential(1) / most) * 1e6, arrive);
  };
  arrive();
  stage.agenda.runUntil(forS * 1e6);
  return notes.of(stage, forS);
}

/** Random numbers that are the same each time. */
export function seeded(seed: number): () => number {
  let state = seed % 2_147_483_647 || 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
