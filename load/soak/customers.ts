import { randomUUID } from 'node:crypto';
import { confirm, hold, isOver, keep, leftMs, letExpire, release } from '../flows/leasing.ts';
import { refund } from '../flows/office.ts';
import { about, pause } from '../flows/run-clock.ts';
import { type FlowVariables, flowVariables, seatsOf } from '../flows/settings.ts';
import type { Visit } from '../flows/user-of.ts';
import { VirtualUser } from '../flows/virtual-user.ts';
import { comeByClient } from './by-client.ts';
import type { Dice } from './dice.ts';
import type { CustomersOptions, Sale } from './sale.ts';

/** Customers who buy, in each show. */
const SHOPPERS = 20;
/** How many of them use the client library. */
const BY_CLIENT = 6;
const WATCHERS = 10;
const SEATS = 120;
const TTL_MS = 2_000;
const THINK_MS = 400;
const MOST_TURNS = 12;
/** How many watchers of each show have their pushed snapshots and deltas recorded and checked. */
const RECORDED = 2;

export const variablesOf = ({ target, adminToken, showId, minutes, historyDir }: Sale): FlowVariables =>
  flowVariables.parse({
    seats: SEATS,
    users: SHOPPERS + WATCHERS,
    rampPerS: SHOPPERS + WATCHERS,
    runS: minutes * 60,
    ttlMs: TTL_MS,
    keepMs: 1_500,
    thinkMs: THINK_MS,
    showId,
    $env: { ROWLOCK_TARGET: target, ROWLOCK_HISTORY: historyDir, ROWLOCK_ADMIN_TOKEN: adminToken },
  });

/**
 * All customers of one show. The queue has a fixed number of places. When a customer leaves, a new one takes the place, with a
 * connection, a session and a name of its own. Resolves when the time is over and all have left.
 */
export async function crowdOf(options: CustomersOptions): Promise<void> {
  const variables = variablesOf(options.sale);
  const places = Array.from({ length: SHOPPERS + WATCHERS }, (_, place) =>
    occupy(place, variables, { ...options, dice: options.dice.another() }),
  );
  await Promise.all(places);
}

async function occupy(place: number, variables: FlowVariables, options: CustomersOptions): Promise<void> {
  const { sale, recorder, dice, tally } = options;
  const seatIds = seatsOf(variables);
  if (place < BY_CLIENT) return comeByClient(`${sale.showId}-${place}`, variables, options);
  for (let guest = 0; ; guest++) {
    const user = new VirtualUser({
      url: sale.target,
      showId: sale.showId,
      number: guest,
      process: `${sale.showId}-${place}`,
      recorder,
      tally,
      pushes: (place - BY_CLIENT) % SHOPPERS < RECORDED,
    });
    const visit = { user, variables, tally, seatIds };
    if (isOver(visit)) return;
    await user.comeBack();
    if (await user.watch()) await (place < SHOPPERS ? shop(visit, dice) : look(visit, dice));
    if (dice.happens(0.5)) await user.leave();
    else await user.vanish();
    await pause(Math.min(about(200), leftMs(visit)));
  }
}

async function shop(visit: Visit, dice: Dice): Promise<void> {
  for (let turns = 1 + dice.below(MOST_TURNS); turns > 0; turns--) {
    if (isOver(visit) || !visit.user.isConnected) return;
    const seatIds = freeSeats(visit, dice);
    if (seatIds.length > 0 && (await hold(visit, seatIds))) await decide(visit, seatIds, dice);
    visit.user.lost.clear();
    await pause(Math.min(about(THINK_MS), leftMs(visit)));
  }
}

/** Two to four seats that look free, one next to the other among those. Many customers choose the same ones. */
function freeSeats({ user, seatIds }: Visit, dice: Dice): string[] {
  const free = seatIds.filter((seatId) => user.map.stateOf(seatId) === 'available');
  const from = dice.below(Math.max(1, free.length / 2));
  return free.slice(from, from + 2 + dice.below(3));
}

async function decide(visit: Visit, seatIds: string[], dice: Dice): Promise<void> {
  const mind = dice.below(100);
  if (mind < 45) return buyAndReturn(visit, seatIds);
  if (mind < 65) return void ((await keep(visit, about(visit.variables.keepMs))) && (await release(visit)));
  if (mind < 75) return release(visit);
  if (mind < 83) return letExpire(visit, seatIds[0] ?? '');
  if (mind < 92) return breakAndResume(visit, seatIds);
  // The connection is cut while the customer has the seats.
  await visit.user.vanish();
}

/** Each booking is refunded after a while, because a sale without free seats would be no load. */
async function buyAndReturn(visit: Visit, seatIds: string[]): Promise<void> {
  const { variables, tally } = visit;
  await pause(Math.min(about(THINK_MS), leftMs(visit)));
  const requestId = randomUUID();
  const reply = await confirm(visit, seatIds, requestId);
  if (reply?.type !== 'confirmed') return;
  await pause(Math.min(about(THINK_MS), leftMs(visit)));
  const { ROWLOCK_TARGET: target, ROWLOCK_ADMIN_TOKEN: adminToken = '' } = variables.$env;
  await refund(target, adminToken, requestId, tally);
}

async function breakAndResume(visit: Visit, seatIds: string[]): Promise<void> {
  const { user, variables } = visit;
  await user.vanish();
  await pause(about(100));
  await user.comeBack([{ showId: variables.showId, seatIds }]);
  await user.watch();
  await release(visit);
}

/** Watches for a while, and then compares the followed map with a fresh snapshot. */
async function look(visit: Visit, dice: Dice): Promise<void> {
  await visit.user.until(() => false, Math.min(1_000 + dice.below(20_000), leftMs(visit)));
  await visit.user.compareMaps();
}
