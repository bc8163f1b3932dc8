import type { ClientFrame } from '../../protocol/index.ts';
import type { Rooms } from '../rooms.ts';
import type { Answer } from './answer.ts';
import { confirm } from './booking.ts';
import { checkout, heartbeat, hold, release } from './holding.ts';
import type { Session } from './session.ts';
import { unwatch, watch } from './watching.ts';

/** Every frame but `hello`. */
export type LiveFrame = Exclude<ClientFrame, { type: 'hello' }>;

/** Serves one frame. Undefined: it was answered already. Rejects when a store gives no answer, and for bugs. */
export function dispatch(rooms: Rooms, session: Session, frame: LiveFrame): Promise<Answer | undefined> {
  switch (frame.type) {
    case 'watch':
      return watch(rooms, session, frame);
    case 'unwatch':
      return unwatch(rooms, session, frame);
    case 'hold':
      return counted(hold(rooms, session, frame), (outcome) =>
        rooms.metrics.holds.ws.count(outcome.ok ? 'held' : outcome.fault.code),
      );
    case 'heartbeat':
      return heartbeat(rooms, session, frame);
    case 'release':
      return release(rooms, session, frame);
    case 'checkout':
      return checkout(rooms, session, frame);
    case 'confirm':
      return counted(confirm(rooms, session, frame), (outcome) =>
        rooms.metrics.confirms.ws.count(outcomeOf(outcome)),
      );
    default:
      return unreachable(frame);
  }
}

async function counted(serving: Promise<Answer>, count: (answer: Answer) => void): Promise<Answer> {
  const answer = await serving;
  count(answer);
  return answer;
}

function outcomeOf(answer: Answer) {
  if (!answer.ok) return answer.fault.code;
  return answer.frame.type === 'confirmed' && answer.frame.replayed ? 'replayed' : 'confirmed';
}

function unreachable(frame: never): never {
  throw new Error(`no handler for ${JSON.stringify(frame)}`);
}
