import type { ServerFrame } from '../../protocol/index.ts';
import { machineMs } from '../history.ts';
import { about, elapsedMs, pause } from './run-clock.ts';
import type { Visit } from './user-of.ts';

/** Heartbeats are this frequent, so that a lease survives a late one. */
const BEATS_PER_TTL = 3;
const LONGEST_BEAT_MS = 1_000;
/** A lease that has ended is swept within SWEEP_MS; the rest is for a busy machine. */
const SWEPT_WITHIN_MS = 5_000;
const COMES_BACK_AFTER_MS = 300;

export const isOver = ({ variables }: Visit): boolean => elapsedMs() >= variables.runS * 1000;

export const leftMs = ({ variables }: Visit): number => Math.max(0, variables.runS * 1000 - elapsedMs());

/** Waits until all seats look free, but only for a while: when locks are deleted in Redis, the map may be wrong. */
export async function untilFree(visit: Visit, seatIds: readonly string[]): Promise<void> {
  const { user, variables } = visit;
  const isFree = () => seatIds.every((seatId) => user.map.stateOf(seatId) === 'available');
  await user.until(isFree, Math.min(about(variables.pollMs), leftMs(visit)));
}

export async function hold(visit: Visit, seatIds: string[], ttlMs = visit.variables.ttlMs): Promise<boolean> {
  const { user, variables } = visit;
  for (const seatId of seatIds) user.lost.delete(seatId);
  const request = { type: 'hold', showId: variables.showId, seatIds, ttlMs } as const;
  return (await user.ask('held', request, ['seat_unavailable'])) !== undefined;
}

/** Keeps the user's leases alive for so long. False if one of them, or the connection, was lost. */
export async function keep(visit: Visit, forMs: number): Promise<boolean> {
  const { user, variables } = visit;
  const beatMs = Math.min(LONGEST_BEAT_MS, variables.ttlMs / BEATS_PER_TTL);
  const endMs = machineMs() + forMs;
  while (user.lost.size === 0 && user.isConnected) {
    const restMs = Math.min(endMs - machineMs(), leftMs(visit));
    if (restMs <= 0) return true;
    if (await user.until(() => user.lost.size > 0, Math.min(beatMs, restMs))) break;
    const renewed = await user.ask('renewed', { type: 'heartbeat' });
    if (renewed?.lost.length) break;
  }
  // A lease that is kept alive may be lost only if the scenario deletes locks in Redis.
  if (user.isConnected)
    visit.tally.count(variables.lieEveryMs > 0 ? 'expected' : 'unexpected', 'lease_taken_away');
  return false;
}

/** Waits until the lease has expired and the server has said so. */
export async function letExpire({ user, variables, tally }: Visit, seatId: string): Promise<void> {
  const told = await user.until(() => user.lost.has(seatId), variables.ttlMs + SWEPT_WITHIN_MS);
  if (!user.isConnected) return;
  if (!told) tally.count('unexpected', 'never_expired');
  else
    tally.count(
      user.lost.get(seatId) === 'expired' ? 'expected' : 'unexpected',
      `lost_${user.lost.get(seatId)}`,
    );
}

export async function release({ user, variables }: Visit): Promise<void> {
  await user.ask('released', { type: 'release', showId: variables.showId });
}

/** Cuts the connection and comes back with a new session, which owns nothing. */
export async function vanishAndComeBack(visit: Visit): Promise<void> {
  await visit.user.vanish();
  await pause(Math.min(about(COMES_BACK_AFTER_MS), leftMs(visit)));
  if (isOver(visit)) return;
  await visit.user.comeBack();
  await visit.user.watch();
}

/** After these codes the outcome is open: the same request may still book when it is repeated. */
const passing = ['busy', 'unavailable', 'outcome_unknown', 'internal'];
const CONFIRM_TRIES = 8;

/** Repeats the confirm until its outcome is final. Undefined: the connection was lost, or all tries left it open. */
export async function confirm(
  visit: Visit,
  seatIds: string[],
  requestId: string,
): Promise<ServerFrame | undefined> {
  const { user, variables, tally } = visit;
  const request = { type: 'confirm', showId: variables.showId, seatIds, requestId } as const;
  for (let tries = 1; tries <= CONFIRM_TRIES && user.isConnected; tries++) {
    const reply = await user.askAnything(request, ['seat_unavailable', 'lease_lost']);
    if (reply !== undefined && (reply.type !== 'error' || !passing.includes(reply.code))) return reply;
    await pause(100 * tries);
  }
  if (user.isConnected) tally.count('failed', 'confirm_without_outcome');
  return undefined;
}
