/**
 * The Artillery processor of all scenarios: one exported function per flow says what a virtual user does. It never rejects because
 * of what the server does: outcomes are counted (flows/tally.ts) and written into the history, which is judged afterwards.
 * All of them must be declared as `async function`: Artillery expects a callback to be called by any other function.
 */
import { randomUUID } from 'node:crypto';
import {
  confirm,
  hold,
  isOver,
  keep,
  leftMs,
  letExpire,
  release,
  untilFree,
  vanishAndComeBack,
} from './flows/leasing.ts';
import { refund } from './flows/office.ts';
import { about, elapsedMs, oneOf, pause } from './flows/run-clock.ts';
import type { Metrics } from './flows/tally.ts';
import { arrive, type Context, type Visit, visitOf } from './flows/user-of.ts';

export async function join(context: Context, metrics: Metrics): Promise<void> {
  // Artillery's own listener would end the user's flow a second time, and its worker with it.
  context.ws.removeAllListeners('error');
  const { user } = arrive(context, metrics);
  elapsedMs();
  await user.greet(context.ws);
  await user.watch();
}

export async function leave(context: Context): Promise<void> {
  await visitOf(context).user.leave();
}

/** Repeats a turn until the run is over, or the user's connection is lost. */
async function turns(context: Context, turn: (visit: Visit) => Promise<void>): Promise<void> {
  const visit = visitOf(context);
  while (!isOver(visit) && visit.user.isConnected) {
    await turn(visit);
    // However short a turn is, no user is faster than an impatient person.
    await pause(about(10));
  }
}

const wanted = ({ seatIds }: Visit): string[] => [...seatIds];

/** Holds a free seat, keeps the lease alive, and then releases it or disconnects. */
export async function contend(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    await untilFree(visit, wanted(visit));
    if (!(await hold(visit, wanted(visit)))) return;
    if (!(await keep(visit, about(visit.variables.keepMs)))) return;
    await oneOf(release, release, vanishAndComeBack)(visit);
    await pause(Math.min(about(visit.variables.pollMs), leftMs(visit)));
  });
}

/** Holds a seat without heartbeats, so that the lease expires. */
export async function expire(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    const [seatId = ''] = wanted(visit);
    await untilFree(visit, [seatId]);
    if (!(await hold(visit, [seatId]))) return;
    await letExpire(visit, seatId);
    await pause(Math.min(about(visit.variables.pollMs), leftMs(visit)));
  });
}

/** All users want the seat in the moment in which it is free. Most release it soon, some let it expire. */
export async function race(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    const [seatId = ''] = wanted(visit);
    await untilFree(visit, [seatId]);
    if (!(await hold(visit, [seatId]))) return;
    if (Math.random() < 0.08) return letExpire(visit, seatId);
    await pause(about(visit.variables.keepMs));
    await oneOf(release, release, release, vanishAndComeBack)(visit);
  });
}

/** Holds seats, waits, often longer than the lease lasts, and confirms them. After a while the box office refunds the booking. */
export async function buy(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    const { user, variables } = visit;
    const seatIds = wanted(visit);
    await untilFree(visit, seatIds);
    if (!(await holdInSomeOrder(visit, seatIds))) return;
    await pause(
      oneOf(0, about(variables.thinkMs), about(variables.thinkMs), 2.5 * variables.ttlMs * Math.random()),
    );
    const requestId = randomUUID();
    const reply = await confirm(visit, seatIds, requestId);
    if (reply?.type !== 'confirmed') return;
    if (Math.random() < 0.3) await confirmAgain(visit, seatIds, requestId);
    await refundLater(visit, requestId);
    user.lost.clear();
  });
}

/** Half of the users hold their seats in one frame, the others one after the other, in either order: those can block each other. */
async function holdInSomeOrder(visit: Visit, seatIds: string[]): Promise<boolean> {
  if (visit.user.number % 2 === 0) return hold(visit, seatIds);
  const inOrder = visit.user.number % 4 === 1 ? seatIds : seatIds.toReversed();
  for (const [i, seatId] of inOrder.entries()) {
    if (await hold(visit, [seatId])) continue;
    if (i > 0) await release(visit);
    return false;
  }
  return true;
}

/** Sends the same request again. It must be answered as a replay. */
async function confirmAgain(visit: Visit, seatIds: string[], requestId: string): Promise<void> {
  const reply = await confirm(visit, seatIds, requestId);
  if (reply?.type === 'confirmed' && !reply.replayed) visit.tally.count('unexpected', 'booked_again');
}

/** Bookings of the last moments of a run are not refunded, so that some are left at its end. */
const KEEPS_LAST_MS = 1_500;

async function refundLater(visit: Visit, requestId: string): Promise<void> {
  const { $env } = visit.variables;
  if ($env.ROWLOCK_ADMIN_TOKEN === undefined || leftMs(visit) < KEEPS_LAST_MS) return;
  await pause(about(400));
  await refund($env.ROWLOCK_TARGET, $env.ROWLOCK_ADMIN_TOKEN, requestId, visit.tally);
}

/** Holds two to four of the best free seats, one next to the other among those, waits, and then confirms, releases or disconnects. */
export async function rush(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    const { user, variables } = visit;
    const seatIds = bestSeats(visit, 2 + Math.floor(Math.random() * 3));
    if (seatIds.length === 0) return pause(Math.min(about(1_000), leftMs(visit)));
    // Only few users watch. If all did, most of the load would be deliveries, and those are what watch-crowd tests.
    if (user.number % 10 !== 0) await user.unwatch();
    if (await hold(visit, seatIds)) await decide(visit, seatIds);
    if (user.number % 10 !== 0 && user.isConnected && !isOver(visit)) await user.watch();
    await pause(Math.min(about(variables.pollMs), leftMs(visit)));
  });
}

async function decide(visit: Visit, seatIds: string[]): Promise<void> {
  if (!(await keep(visit, about(visit.variables.thinkMs)))) return;
  const mind = Math.random();
  if (mind < 0.15) await vanishAndComeBack(visit);
  else if (mind < 0.25) await release(visit);
  else await confirm(visit, seatIds, randomUUID());
}

/** Free seats near the front. The start is random, so that not all users want the very first ones. */
function bestSeats({ user, seatIds }: Visit, many: number): string[] {
  const free = seatIds.filter((seatId) => user.map.stateOf(seatId) === 'available');
  const from = Math.floor(Math.random() ** 3 * Math.max(0, free.length - many));
  return free.slice(from, from + many);
}

/** The first `buyers` users buy, all others watch. At the end each compares its map with a fresh snapshot. */
export async function crowd(context: Context): Promise<void> {
  const visit = visitOf(context);
  const { user, variables } = visit;
  if (user.number < variables.buyers) await turns(context, buyFromTheCrowd);
  else await user.until(() => false, leftMs(visit));
  // The last changes reach watchers only with the next tick.
  await pause(500);
  await user.compareMaps();
}

async function buyFromTheCrowd(visit: Visit): Promise<void> {
  const seatIds = bestSeats(visit, 3);
  if (seatIds.length === 0 || !(await hold(visit, seatIds))) return pause(about(visit.variables.pollMs));
  await pause(about(visit.variables.thinkMs));
  if (Math.random() < 0.4) await confirm(visit, seatIds, randomUUID());
  else await release(visit);
}

/** Each user holds a seat. Again and again all connections break at the same time, and all users come back to resume their leases. */
export async function storm(context: Context): Promise<void> {
  const visit = visitOf(context);
  const { user, variables } = visit;
  const each = variables.seatsPerUser ?? 1;
  const seatIds = visit.seatIds.slice(user.number * each, (user.number + 1) * each);
  await turns(context, async () => {
    const nextMs = (Math.floor(elapsedMs() / variables.everyMs) + 1) * variables.everyMs;
    if (!(await hold(visit, seatIds))) return pause(about(500));
    if (!(await keep(visit, nextMs - elapsedMs())) || isOver(visit)) return;
    await breakAndResume(visit, seatIds);
  });
}

/** Half of the grace period that the server gives before it frees the seats of a lost connection. */
const BACK_IN_TIME_MS = 2_500;

async function breakAndResume({ user, variables, tally }: Visit, seatIds: string[]): Promise<void> {
  const { showId } = variables;
  const brokeMs = elapsedMs();
  await user.vanish();
  await pause(Math.random() * 300);
  const welcome = await user.comeBack([{ showId, seatIds }]);
  await user.watch();
  const hasAll = welcome?.leases.flatMap((lease) => lease.seatIds).length === seatIds.length;
  const inTime = elapsedMs() - brokeMs < BACK_IN_TIME_MS;
  if (hasAll) tally.count('expected', 'resumed');
  else tally.count(inTime ? 'unexpected' : 'expected', 'lost_by_the_storm');
}

/** The first half of the users holds all seats and confirms half of them. The others wait for the rest to expire. */
export async function secondWave(context: Context): Promise<void> {
  const visit = visitOf(context);
  const { user, variables } = visit;
  const isFirst = user.number < variables.users / 2;
  // Only every fifth user watches all the time. If all did, most of the load would be deliveries, which watch-crowd tests.
  const looksOn = user.number % 5 === 0;
  if (!looksOn) await user.unwatch();
  if (isFirst && elapsedMs() < variables.waveMs - SHORTEST_TTL_MS) await firstWave(visit);
  else if (isFirst) visit.tally.count('expected', 'too_late_for_the_first_wave');
  await user.until(() => false, variables.waveMs - elapsedMs());
  await turns(context, async () => {
    if (!looksOn && (await user.watch())) await user.unwatch();
    await takeWhatIsFree(visit);
  });
}

const SHORTEST_TTL_MS = 500;

async function firstWave(visit: Visit): Promise<void> {
  const { user, variables, tally } = visit;
  const each = 2 * (variables.seatsPerUser ?? 1);
  const seatIds = visit.seatIds.slice(user.number * each, (user.number + 1) * each);
  const ttlMs = Math.max(SHORTEST_TTL_MS, Math.round(variables.waveMs - elapsedMs()));
  if (!(await hold(visit, seatIds, ttlMs))) {
    // The second wave begins at a fixed time. Users of the first who arrive after it may find their seat taken.
    tally.count(elapsedMs() < variables.waveMs ? 'unexpected' : 'expected', 'first_wave_refused');
  } else if (user.number % 2 === 0) await confirm(visit, seatIds, randomUUID());
  else await letExpire({ ...visit, variables: { ...variables, ttlMs } }, seatIds[0] ?? '');
}

async function takeWhatIsFree(visit: Visit): Promise<void> {
  const { user, variables } = visit;
  const free = visit.seatIds.filter((seatId) => user.map.stateOf(seatId) === 'available');
  const from = Math.floor(Math.random() * free.length);
  const seatIds = free.slice(from, from + 2);
  if (seatIds.length === 0) {
    await user.until(() => user.map.count('available') > 0, about(variables.pollMs));
    return;
  }
  if (!(await hold(visit, seatIds))) return pause(about(50));
  await pause(about(variables.thinkMs));
  await confirm(visit, seatIds, randomUUID());
}
