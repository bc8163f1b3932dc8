import { closeCodes, mayReconnect } from '../close-codes.ts';
import type { ErrorFrame } from '../server-frames.ts';
import { RowlockError } from './errors.ts';

/** The refusal as the server sent it. */
export function refused({ type: _type, id: _id, ...details }: ErrorFrame, requestId?: string): RowlockError {
  return new RowlockError({ ...details, requestId });
}

export const disconnected = () =>
  new RowlockError({
    code: 'disconnected',
    message: 'The connection broke before the answer; the seats are not held. Try again.',
    retryable: true,
  });

export const noReply = () =>
  new RowlockError({
    code: 'no_reply',
    message: 'No answer in time. What was asked for may have happened, or not.',
    retryable: true,
  });

export const aborted = (cause: unknown) =>
  new RowlockError({ code: 'aborted', message: 'Given up by the caller.', retryable: false, cause });

export const closed = (cause?: RowlockError) =>
  new RowlockError({ code: 'closed', message: 'This client is closed.', retryable: false, cause });

/** This client's own queue is full: nothing was sent. */
export const crowded = () =>
  new RowlockError({ code: 'busy', message: 'Too many requests are waiting already.', retryable: true });

export const outcomeUnknown = (requestId: string, cause: RowlockError) =>
  new RowlockError({
    code: 'outcome_unknown',
    message:
      'The booking may or may not have been made. Confirm again with the same requestId to learn which.',
    retryable: true,
    requestId,
    cause,
  });

/** Whether the client connects again after this close code. 1000 too: this client did not close, so something in between did. */
export const comesBack = (code: number): boolean => code === 1000 || mayReconnect(code);

/** The server has closed the connection with a code after which the client does not come back. */
export function closedFor(code: number): RowlockError {
  const details = { message: `The server closed the connection with ${code}.`, retryable: false } as const;
  if (code === closeCodes.superseded) {
    return new RowlockError({
      ...details,
      code: 'superseded',
      message: 'Another page or process goes on with this session.',
    });
  }
  return new RowlockError({ ...details, code: code === closeCodes.unauthorized ? 'unauthorized' : 'closed' });
}
