import type { ClientFrame } from '../../protocol/index.ts';
import type { Rooms } from '../rooms.ts';
import type { Answer } from './answer.ts';
import { confirm } from './booking.ts';
import { checkout, heartbeat, hold, release } from './holding.ts';
import type { Session } from './session.ts';
import { unwatch, watch } from './watching.ts';

/** Every frame but `hello`. */
export type LiveFrame = Exclude<ClientFrame, { type: 'hello' }>;

/** Serves one frame. Undefined: its reply was sent already. Rejects when a store gives no answer, and for bugs. */
export function dispatch(rooms: Rooms, session: Session, frame: LiveFrame): Promise<Answer | undefined> {
  switch (frame.type) {
    case 'watch':
      return watch(rooms, session, frame);
    case 'unwatch':
      return unwatch(rooms, session, frame);
    case 'hold':
      return hold(rooms, session, frame);
    case 'heartbeat':
      return heartbeat(rooms, session, frame);
    case 'release':
      return release(rooms, session, frame);
    case 'checkout':
      return checkout(rooms, session, frame);
    case 'confirm':
      return confirm(rooms, session, frame);
    default:
      return unreachable(frame);
  }
}

/** Counts holds and confirms by outcome. */
export function countOutcome({ metrics }: Rooms, frame: ClientFrame, answer: Answer): void {
  if (frame.type === 'hold') metrics.holds.ws.count(answer.ok ? 'held' : answer.fault.code);
  if (frame.type === 'confirm') metrics.confirms.ws.count(confirmOutcome(answer));
}

function confirmOutcome(answer: Answer) {
  if (!answer.ok) return answer.fault.code;
  return answer.frame.type === 'confirmed' && answer.frame.replayed ? 'replayed' : 'confirmed';
}

function unreachable(frame: never): never {
  throw new Error(`no handler for ${JSON.stringify(frame)}`);
}
