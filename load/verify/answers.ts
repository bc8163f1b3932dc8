/** Checks each reply alone: it must be about the seats and the session of its request, and must not report a bug. */
import type { ServerFrame, WelcomeFrame } from '../../protocol/index.ts';
import {
  type Client,
  describe,
  describePush,
  isOperation,
  type Judge,
  type Operation,
  type ReplyFrame,
} from './operations.ts';
import type { Findings, Rule } from './violations.ts';

export class Answers implements Judge {
  readonly #findings: Findings;
  #run: { readonly firstMs: number } = { firstMs: 0 };
  /** The user of each session, as its first welcome named it. */
  readonly #users = new Map<string, string>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** Violations name times relative to the beginning of the run. */
  begin(run: { readonly firstMs: number }): void {
    this.#run = run;
  }

  returned(operation: Operation, reply: ReplyFrame): void {
    if (reply.type === 'error') {
      if (reply.code === 'internal') this.#bug(describe(operation, this.#run));
      return;
    }
    if (isOperation(operation, 'hello') && reply.type === 'welcome') this.#welcomed(operation, reply);
    else if (isOperation(operation, 'hold') || isOperation(operation, 'checkout')) {
      if (!isSame(seatsOf(reply), operation.frame.seatIds)) this.#others('not what was asked for', operation);
    } else if (isOperation(operation, 'release')) {
      const { seatIds } = operation.frame;
      const freed = seatsOf(reply);
      if (seatIds !== undefined && freed.some((seatId) => !seatIds.includes(seatId)))
        this.#others('more than what was asked for', operation);
    }
  }

  pushed(client: Client, frame: ServerFrame, ms: number): void {
    if (frame.type === 'error' && frame.code === 'internal')
      this.#bug(describePush(client, frame, ms, this.#run));
  }

  #welcomed(operation: Operation, { session, userId }: WelcomeFrame): void {
    const owner = this.#users.get(session) ?? userId;
    this.#users.set(session, owner);
    if (owner === userId) return;
    this.#add('foreign_session', 'I6', `user ${userId} resumed a session of user ${owner}`, operation);
  }

  #others(what: string, operation: Operation): void {
    this.#add('other_seats', 'I6', `a ${operation.frame.type} was answered with ${what}`, operation);
  }

  #bug(told: string): void {
    this.#findings.add('internal', {
      rule: 'I5',
      what: 'the server says that it has a bug',
      operations: [told],
    });
  }

  #add(kind: string, rule: Rule, what: string, operation: Operation): void {
    this.#findings.add(kind, { rule, what, operations: [describe(operation, this.#run)] });
  }
}

const seatsOf = (reply: ReplyFrame): readonly string[] => ('seatIds' in reply && reply.seatIds) || [];

const isSame = (given: readonly string[], asked: readonly string[]): boolean =>
  given.length === asked.length && asked.every((seatId) => given.includes(seatId));
