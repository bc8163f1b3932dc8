import type { ClientFrame } from '../../protocol/index.ts';
import type { Answer } from './answer.ts';
import { confirm } from './booking.ts';
import type { SessionContext } from './context.ts';
import { checkout, heartbeat, hold, release } from './holding.ts';
import type { Session } from './session.ts';
import { unwatch, watch } from './watching.ts';

/** Every frame but `hello`. */
export type LiveFrame = Exclude<ClientFrame, { type: 'hello' }>;

/** Serves one frame. Undefined: it was answered already. Rejects when a store gives no answer, and for bugs. */
export function dispatch(
  context: SessionContext,
  session: Session,
  frame: LiveFrame,
): Promise<Answer | undefined> {
  switch (frame.type) {
    case 'watch':
      return watch(context, session, frame);
    case 'unwatch':
      return unwatch(context, session, frame);
    case 'hold':
      return counted(hold(context, session, frame), (outcome) =>
        context.metrics.holds.inc({ via: 'ws', outcome: outcome.ok ? 'held' : outcome.fault.code }),
      );
    case 'heartbeat':
      return heartbeat(context, session, frame);
    case 'release':
      return release(context, session, frame);
    case 'checkout':
      return checkout(context, session, frame);
    case 'confirm':
      return counted(confirm(context, session, frame), (outcome) =>
        context.metrics.confirms.inc({ via: 'ws', outcome: outcomeOf(outcome) }),
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
