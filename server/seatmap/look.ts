import type { Leases, SeatVersion } from '../leases/leases.ts';

interface Versions {
  seatVersions(showId: string): Promise<readonly SeatVersion[]>;
}

/**
 * Compares what was announced with what Postgres says, and announces the difference: rows changed by hand, bookings
 * whose server died before it told. Announced versions are read first: they can only be behind. One that is ahead of
 * Postgres was never true (somebody wrote into Redis), and since versions only count up, a new epoch is the way back.
 * Rejects when a store gives no answer.
 */
export async function look(leases: Leases, versions: Versions, showId: string): Promise<void> {
  const { epoch } = await leases.position(showId);
  const announced = new Map((await leases.announced(showId)).map(({ seatId, version }) => [seatId, version]));
  const decided = await versions.seatVersions(showId);
  const news = decided.filter(({ seatId, version }) => version > (announced.get(seatId) ?? 0));
  const known = new Map(decided.map(({ seatId, version }) => [seatId, version]));
  for (const [seatId, version] of announced) {
    // Said this way round, what is no number is never true either.
    if (!(version <= (known.get(seatId) ?? 0))) return leases.rotate(showId, epoch);
  }
  await leases.announce(showId, news);
}
