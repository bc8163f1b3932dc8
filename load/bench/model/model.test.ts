import { describe, expect, it } from 'vitest';
import { percentile } from '../kit/numbers.ts';
import { Agenda } from './agenda.ts';
import { type Costs, costOf } from './costs.ts';
import { batchCostOf } from './fit.ts';
import { draw } from './picture.ts';
import { arrivalsPerS, demandAt, peakOf, type Sale, type Setting, stadium } from './sale.ts';
import { playClosed, playOpen, type Simulated, seeded } from './simulation.ts';
import { type Machine, redisAt, sizingOf } from './sizing.ts';
import { Batches, Station } from './stations.ts';

const costs: Costs = {
  ...{ deliveryUs: 6, deliveryUsPerKb: 1, joinUs: 100, watcherKib: 2.5, serverMib: 200 },
  server: { callUs: 30, holdUs: 20, confirmUs: 100, beatUs: 400 },
  feed: { messageUs: 40, seatUs: 6 },
  look: { askUs: 20, serverUs: 1, redisUs: 0.1, postgresUs: 0.5 },
  redis: { step: { callUs: 60, requestUs: 10 }, publishUsPerServer: 25, beatUs: 0 },
  postgres: {
    call: { callUs: 900, requestUs: 40 },
    cpu: { callUs: 300, requestUs: 30 },
    walBytesPerConfirm: 1_000,
  },
};
const setting: Setting = {
  tickMs: 25,
  heartbeatMs: 10_000,
  maxBatch: 256,
  servers: 1,
  buyingServers: 1,
  lookers: 1,
};
const machine: Machine = { cores: 16, gbitPerS: 25, load: 0.6 };
const simulated = (changes: Partial<Simulated> = {}): Simulated => ({
  ...{ setting, costs, postgresCores: 1, otherLoad: 0, redisOtherLoad: 0, roundTripUs: 0, random: seeded(1) },
  ...changes,
});

describe('a sale', () => {
  it('brings all of its buyers within its time, most of them at the start', () => {
    let buyers = 0;
    for (let atS = 0.005; atS < stadium.lengthS; atS += 0.01) buyers += arrivalsPerS(stadium, atS) * 0.01;
    expect(buyers).toBeCloseTo(stadium.buyers, -1);
    expect(arrivalsPerS(stadium, 0)).toBeGreaterThan(2 * arrivalsPerS(stadium, stadium.rushS));
  });

  it('has confirms after its grants, and each seat changes twice', () => {
    expect(demandAt(stadium, 0).confirmsPerS).toBe(0);
    const { grantsPerS, confirmsPerS, seatChangesPerS } = demandAt(stadium, 20);
    expect(confirmsPerS).toBeGreaterThan(0);
    expect(seatChangesPerS).toBeCloseTo((grantsPerS + confirmsPerS) * stadium.seatsPerHold);
    expect(peakOf(stadium).seatChangesPerS).toBeGreaterThanOrEqual(seatChangesPerS);
  });
});

describe('the costs of a batch', () => {
  it('come back out of two samples that they made', () => {
    const cost = { callUs: 60, requestUs: 9 };
    const sample = (calls: number, size: number) => ({
      ...{ calls, requests: calls * size },
      us: calls * costOf(cost, size),
    });
    const found = batchCostOf(sample(1_000, 1), sample(40, 200));
    expect(found.callUs).toBeCloseTo(60);
    expect(found.requestUs).toBeCloseTo(9);
  });
});

describe('the agenda', () => {
  it('runs all in the order of time, and of two at once the one that was there first', () => {
    const agenda = new Agenda();
    const random = seeded(3);
    const ran: number[] = [];
    for (let i = 0; i < 500; i++) agenda.after(Math.floor(random() * 50), () => ran.push(agenda.now));
    const ties: string[] = [];
    agenda.after(60, () => ties.push('first'));
    agenda.after(60, () => ties.push('second'));
    agenda.runUntil(100);
    expect(ran).toHaveLength(500);
    expect(ran).toEqual(ran.toSorted((a, b) => a - b));
    expect(ties).toEqual(['first', 'second']);
    expect(agenda.now).toBe(100);
  });
});

describe('a station', () => {
  it('serves one after the other with one hand, two at once with two', () => {
    for (const [hands, endsUs] of [
      [1, [10, 20, 30]],
      [2, [10, 10, 20]],
    ] as const) {
      const agenda = new Agenda();
      const station = new Station(agenda, hands);
      const ends: number[] = [];
      for (let i = 0; i < 3; i++) station.serve(10, () => ends.push(agenda.now));
      agenda.runUntil(1_000);
      expect(ends).toEqual(endsUs);
      expect(station.busyUs).toBe(30);
    }
  });
});

describe('batches', () => {
  it('are what came while the call before was under way, and no larger than they may be', () => {
    const agenda = new Agenda();
    const sizes: number[] = [];
    const batches = new Batches<number>(4, (batch, done) => {
      sizes.push(batch.length);
      agenda.after(10, done);
    });
    for (let i = 0; i < 8; i++) batches.add(i);
    agenda.runUntil(100);
    expect(sizes).toEqual([1, 4, 3]);
    expect([batches.calls, batches.requests]).toEqual([3, 8]);
  });
});

describe('the simulation', () => {
  it('is the same each time, for the same seed', () => {
    const play = () => {
      const sale = { perS: () => 200, forS: 2, refusals: 1, thinkS: 0.1 };
      return playOpen(simulated({ random: seeded(5) }), sale);
    };
    expect(play()).toEqual(play());
  });

  it('takes as long for a lone purchase as its parts do', () => {
    const { holdMs, confirmMs } = playClosed(simulated(), 1, 1);
    const step = costOf(costs.redis.step, 1);
    const call = costs.server.callUs;
    const hold = costs.server.holdUs + call + step + costs.redis.publishUsPerServer;
    expect(holdMs[0]).toBeCloseTo(hold / 1_000);
    const commit = costOf(costs.postgres.call, 1);
    const settle = step + costs.redis.publishUsPerServer;
    expect(confirmMs[0]).toBeCloseTo((costs.server.confirmUs + 3 * call + step + commit + settle) / 1_000);
  });

  it('answers more with more under way, by larger batches, until a core is full', () => {
    const plays = [1, 16, 256].map((underWay) => playClosed(simulated(), underWay, 2));
    const rates = plays.map(({ purchases }) => purchases / 2);
    expect(rates[1]).toBeGreaterThan(4 * (rates[0] ?? 0));
    expect(plays[2]?.batch.confirms).toBeGreaterThan(plays[1]?.batch.confirms ?? 0);
    const fullest = 1e6 / (costs.server.holdUs + costs.server.confirmUs);
    expect(rates[2]).toBeLessThanOrEqual(fullest);
    expect(rates[2]).toBeGreaterThan(0.5 * fullest);
  });

  it('makes buyers wait for each server that has to be told, once Redis is full', () => {
    const waits = [1, 64].map((servers) => {
      const { holdMs } = playOpen(
        simulated({
          setting: { ...setting, servers, buyingServers: Math.min(servers, 8) },
          postgresCores: 4,
        }),
        { perS: () => 2_000, forS: 3, refusals: 0, thinkS: 1 },
      );
      return percentile(holdMs, 0.5);
    });
    expect(waits[1]).toBeGreaterThan(4 * (waits[0] ?? 0));
  });
});

describe('the sizing', () => {
  const at = (changes: Partial<Setting>, sale: Sale = stadium) =>
    sizingOf(sale, { ...setting, ...changes }, costs, machine);

  it('has fewer deliveries with longer ticks, but hardly fewer bytes: each seat is told once either way', () => {
    const [short, long] = [at({ tickMs: 25 }), at({ tickMs: 250 })];
    expect(long.deliveriesPerS).toBeCloseTo(short.deliveriesPerS / 10);
    expect(long.cores.deliveries).toBeLessThan(short.cores.deliveries);
    expect(long.egressGbitPerS / short.egressGbitPerS).toBeGreaterThan(0.9);
    expect(long.egressGbitPerS).toBeLessThan(short.egressGbitPerS);
  });

  it('grows with watchers, and costs the stores nothing for them', () => {
    const [some, twice] = [at({}), at({}, { ...stadium, watchers: 2 * stadium.watchers })];
    expect(twice.egressGbitPerS).toBeCloseTo(2 * some.egressGbitPerS);
    expect(twice.redis).toEqual(some.redis);
    expect(twice.postgres).toEqual(some.postgres);
  });

  it('looks as often with many servers as with one: only asking for it grows', () => {
    const looksAt = (changes: Partial<Setting>) => at(changes).redis.looks;
    const [one, many, each] = [looksAt({}), looksAt({ servers: 40 }), looksAt({ servers: 40, lookers: 40 })];
    expect(many - one).toBeCloseTo((39 * 2 * costs.look.askUs) / 5 / 1e6);
    expect(each).toBeGreaterThan(30 * one);
    expect(at({ servers: 40, lookers: 40 }).postgres.cores).toBeGreaterThan(
      at({ servers: 40 }).postgres.cores,
    );
  });

  it('needs larger batches for more servers to be told, and says when no batch is large enough', () => {
    const demand = { holdsPerS: 8_000, grantsPerS: 2_000, confirmsPerS: 1_000 };
    const batches = [1, 16, 64].map(
      (servers) => redisAt(stadium, { ...setting, servers }, costs, demand).batch,
    );
    expect(batches).toEqual(batches.toSorted((a, b) => a - b));
    const told = redisAt(stadium, { ...setting, servers: 10_000 }, costs, demand);
    expect(told.batch).toBe(Number.POSITIVE_INFINITY);
    const tooMuch = redisAt(stadium, setting, costs, { ...demand, holdsPerS: 200_000 });
    expect([tooMuch.floor > 1, tooMuch.batch]).toEqual([true, Number.POSITIVE_INFINITY]);
  });

  it('tells servers of grants and bookings, not of refusals and guards', () => {
    const demand = { holdsPerS: 1_000, grantsPerS: 100, confirmsPerS: 10 };
    const oneByOne = (servers: number) => redisAt(stadium, { ...setting, servers }, costs, demand).oneByOne;
    const askUs = (2 * costs.look.askUs) / 5;
    expect(oneByOne(2) - oneByOne(1)).toBeCloseTo((110 * costs.redis.publishUsPerServer + askUs) / 1e6);
  });
});

describe('the picture', () => {
  it('is drawn of what it is given, all of it inside', () => {
    const waits = [4, 64].map((servers) => ({
      servers,
      atSomeMs: servers / 2,
      atAllMs: servers * 10,
      dearMs: 3,
    }));
    const ticks = [25, 1_000].map((tickMs) => ({ tickMs, gbitPerS: 700, cores: 3_000 / tickMs + 15 }));
    const svg = draw({ waits, ticks });
    expect(svg.match(/<path/g)).toHaveLength(5);
    const points = [...svg.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    expect(points).toHaveLength(10);
    expect(points.every(([x = -1, y = -1]) => x > 0 && x < 760 && y > 0 && y < 300)).toBe(true);
  });
});
