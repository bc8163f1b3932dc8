import { fault, limits, type UnwatchFrame, type WatchFrame } from '../../protocol/index.ts';
import { mapLimits } from '../limits.ts';
import { later, tooMuch } from '../refusals.ts';
import type { Rooms } from '../rooms.ts';
import { type Answer, refuse } from './answer.ts';
import { knownSeats } from './known-seats.ts';
import type { Session } from './session.ts';

/** Undefined: the sender has answered it already, together with the subscription. */
export async function watch(rooms: Rooms, session: Session, frame: WatchFrame): Promise<Answer | undefined> {
  const { showId, since } = frame;
  const { maxWatchesPerSession } = rooms.config;
  const found = await knownSeats(rooms, { showId, seatIds: [] });
  if (!found.ok) return found;
  const show = session.follow(found.show);
  if (show === undefined) return refuse(tooMuch());
  try {
    const loaded = await show.until(() => show.map !== undefined, mapLimits.watchDeadlineMs);
    if (!loaded) return refuse(later('unavailable'));
    const caughtUp = () =>
      since === undefined || since.epoch !== show.map?.epoch || show.map.seq >= since.seq;
    if (!caughtUp()) await show.until(caughtUp, limits.sinceWaitMs);
    // Checked here, after the last wait, since several may have been under way.
    const another = !session.sender.isWatching(showId);
    if (another && maxWatchesPerSession > 0 && session.sender.watching >= maxWatchesPerSession) {
      const message = `At most ${maxWatchesPerSession} watches per session: unwatch one first.`;
      return refuse(fault('limit_reached', {}, message));
    }
    session.sender.watch(show, frame.id, since);
    return undefined;
  } finally {
    session.unfollow(showId);
  }
}

export async function unwatch(rooms: Rooms, session: Session, { id, showId }: UnwatchFrame): Promise<Answer> {
  if (!session.sender.isWatching(showId)) {
    const found = await knownSeats(rooms, { showId, seatIds: [] });
    if (!found.ok) return found;
  }
  session.sender.unwatch(showId);
  session.tidy(showId);
  return { ok: true, frame: { type: 'unwatched', id, showId } };
}
