import { randomUUID } from 'node:crypto';
import { lockKey } from '../../../server/leases/keys.ts';
import { machineMs } from '../../history.ts';
import { RedisSocket } from '../../run/redis-socket.ts';
import { Line } from './line.ts';
import { orderOf, outcomeOf, type Promises } from './promises.ts';
import type { Stock } from './stock.ts';
import type { World } from './world.ts';

/** A circle: so many users believe that they hold the same seats, each in another order, and all confirm at once, on both servers. */
const CIRCLE = 6;
const SEATS = 4;
/** How much longer to go on if no circle has succeeded yet. */
const MORE_MS = 5_000;

/** @returns the number of circles in which one user booked and the others were told that they had not */
export async function crossConfirms(
  world: World,
  promises: Promises,
  redisUrl: string,
  forMs: number,
): Promise<number> {
  const redis = await RedisSocket.connect(redisUrl);
  const lines = await Promise.all(
    Array.from({ length: CIRCLE }, (_, i) => Line.open(world, i % 2, { userId: randomUUID() })),
  );
  const there = lines.filter((line) => line !== undefined);
  const untilMs = performance.now() + forMs;
  let circles = 0;
  try {
    const isTime = () =>
      performance.now() < untilMs || (circles === 0 && performance.now() < untilMs + MORE_MS);
    for (let turn = 0; isTime() && !world.ending; turn++) {
      const stock = world.random.pick(world.stocks);
      // Every second circle is about seats that other buyers want too, so it may have no winner.
      const seatIds = turn % 2 === 0 ? stock.reserve(SEATS) : stock.pick(SEATS, world.random);
      if (await circle(world, promises, redis, there, { stock, seatIds })) circles += 1;
    }
  } finally {
    redis.close();
    await Promise.all(there.map((line) => line.close()));
  }
  return circles;
}

async function circle(
  world: World,
  promises: Promises,
  redis: RedisSocket,
  lines: readonly Line[],
  { stock, seatIds }: { stock: Stock; seatIds: string[] },
): Promise<boolean> {
  const { recorder } = world;
  const orders = [];
  for (const [i, line] of lines.entries()) {
    const wanted = seatIds.slice(i % 2, 3 + (i % 2));
    if (i % 2 === 1) wanted.reverse();
    const ms = machineMs();
    await redis.command(`DEL ${seatIds.map((seatId) => lockKey(stock.showId, seatId)).join(' ')}`);
    recorder.fault({ ms, name: 'locks deleted', forgets: true, showId: stock.showId, seatIds });
    const reply = await line.ask({ type: 'hold', showId: stock.showId, seatIds: wanted });
    if (reply?.type === 'held') orders.push({ line, order: orderOf(stock.showId, wanted) });
    else if (reply?.type === 'error' && reply.code === 'seat_unavailable')
      for (const { seatId, state } of reply.conflicts) if (state === 'booked') stock.sold(seatId);
  }
  const outcomes = await Promise.all(
    orders.map(async ({ line, order }) => {
      const outcome = outcomeOf(await line.ask(order));
      promises.heard(line.welcome.userId, order, outcome);
      if (outcome === 'confirmed') for (const seatId of order.seatIds) stock.sold(seatId);
      return outcome;
    }),
  );
  return outcomes.includes('confirmed') && outcomes.some((outcome) => outcome !== 'confirmed');
}
