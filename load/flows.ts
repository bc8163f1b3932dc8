/**
 * The processor of all scenarios: what a virtual user does, one exported step per flow. A step never rejects for what
 * the server does: outcomes are counted (flows/tally.ts) and written into the history, which is judged afterwards.
 * Each is an `async function` by its declaration: Artillery waits for any other by a callback.
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

/** Repeats a turn until the run is over; a user whose connection was lost is out. */
async function turns(context: Context, turn: (visit: Visit) => Promise<void>): Promise<void> {
  const visit = visitOf(context);
  while (!isOver(visit) && visit.user.isConnected) {
    await turn(visit);
    // Whatever a turn does: a user is never faster than a very nervous person.
    await pause(about(10));
  }
}

const wanted = ({ seatIds }: Visit): string[] => [...seatIds];

/** One holder at a time, whose lease is kept alive until it is given back or its holder vanishes. */
export async function contend(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    await untilFree(visit, wanted(visit));
    if (!(await hold(visit, wanted(visit)))) return;
    if (!(await keep(visit, about(visit.variables.keepMs)))) return;
    await oneOf(release, release, vanishAndComeBack)(visit);
    await pause(Math.min(about(visit.variables.pollMs), leftMs(visit)));
  });
}

/** Nobody keeps anything alive. */
export async function expire(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    const [seatId = ''] = wanted(visit);
    await untilFree(visit, [seatId]);
    if (!(await hold(visit, [seatId]))) return;
    await letExpire(visit, seatId);
    await pause(Math.min(about(visit.variables.pollMs), leftMs(visit)));
  });
}

/** Everybody reaches for the seat in the moment it is free. Most give it back soon, some leave it to end. */
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

/** Holds, hesitates, often longer than the lease lasts, confirms; and after a while the office takes it back. */
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

/** Two seats in one frame, or one after the other, from either end. */
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

/** The same request again has the same outcome. */
async function confirmAgain(visit: Visit, seatIds: string[], requestId: string): Promise<void> {
  const reply = await confirm(visit, seatIds, requestId);
  if (reply?.type === 'confirmed' && !reply.replayed) visit.tally.count('unexpected', 'booked_again');
}

/** The last booking of a run stays. */
const KEEPS_LAST_MS = 1_500;

async function refundLater(visit: Visit, requestId: string): Promise<void> {
  const { $env } = visit.variables;
  if ($env.ROWLOCK_ADMIN_TOKEN === undefined || leftMs(visit) < KEEPS_LAST_MS) return;
  await pause(about(400));
  await refund($env.ROWLOCK_TARGET, $env.ROWLOCK_ADMIN_TOKEN, requestId, visit.tally);
}

/** Wants two to four seats side by side among the best that are left; hesitates; pays, gives up, or is gone. */
export async function rush(context: Context): Promise<void> {
  await turns(context, async (visit) => {
    const { user, variables } = visit;
    const seatIds = bestSeats(visit, 2 + Math.floor(Math.random() * 3));
    if (seatIds.length === 0) return pause(Math.min(about(1_000), leftMs(visit)));
    // Few look on: the map of everybody would be most of the load, and watch-crowd is about that.
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

/** The further to the front the better, but not everybody goes for the very first. */
function bestSeats({ user, seatIds }: Visit, many: number): string[] {
  const free = seatIds.filter((seatId) => user.map.stateOf(seatId) === 'available');
  const from = Math.floor(Math.random() ** 3 * Math.max(0, free.length - many));
  return free.slice(from, from + many);
}

/** Five buy, everybody else watches; at the end each map is held against a fresh one. */
export async function crowd(context: Context): Promise<void> {
  const visit = visitOf(context);
  const { user, variables } = visit;
  if (user.number < variables.buyers) await turns(context, buyFromTheCrowd);
  else await user.until(() => false, leftMs(visit));
  // What the last of the buyers did is on its way for a tick.
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

/** A seat each. When the hour strikes all connections break at once, and everybody comes back for what they had. */
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

/** Half of the grace that the server gives. */
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

/** The first half of the users takes every seat and pays for half of them; all others wait for the rest. */
export async function secondWave(context: Context): Promise<void> {
  const visit = visitOf(context);
  const { user, variables } = visit;
  const isFirst = user.number < variables.users / 2;
  // Every fifth looks on all the time: the map of everybody would be most of the load, and watch-crowd is about that.
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
    // The second wave begins at its hour, whether or not everybody was there for the first.
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
