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
      return hold(context, session, frame);
    case 'heartbeat':
      return heartbeat(context, session, frame);
    case 'release':
      return release(context, session, frame);
    case 'checkout':
      return checkout(context, session, frame);
    case 'confirm':
      return confirm(context, session, frame);
    default:
      return unreachable(frame);
  }
}

function unreachable(frame: never): never {
  throw new Error(`no handler for ${JSON.stringify(frame)}`);
}
