import type { Fault, Outcome, ServerFrame } from '../../protocol/index.ts';

/** The reply to a frame, or a refusal that becomes an `error` with the frame's id. */
export type Answer = Outcome<{ frame: ServerFrame }>;

export const refuse = (fault: Fault): Answer => ({ ok: false, fault });
