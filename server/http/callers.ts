import { type Fault, fault, type Outcome } from '../../protocol/index.ts';
import { verifyUser } from '../auth/user-tokens.ts';
import type { Config } from '../config.ts';
import { adminCheck } from './admin.ts';
import type { RequestHead } from './exchange.ts';

/**
 * Whose token a call needs. `user` is the user for whom the call acts: without authentication no token is needed, and the
 * `user_id` is believed.
 */
export type Needs = 'nobody' | 'user' | 'user or admin' | 'admin';

/** Whether a call may act for this user. */
export type MayActFor = (userId: string) => boolean;

const forAll: MayActFor = () => true;

/** Finds out from the head of a request who makes it. */
export class Callers {
  readonly #userKey: Config['userKey'];
  readonly #isAdmin: (bearer: string | undefined) => boolean;

  constructor({ userKey, adminToken }: Pick<Config, 'userKey' | 'adminToken'>) {
    this.#userKey = userKey;
    this.#isAdmin = adminCheck(adminToken);
  }

  /** The checks that can be made before the body is read. A user's token is only checked to be there: verifying it takes a while. */
  refused(head: RequestHead, needs: Needs): Fault | undefined {
    const bearer = bearerOf(head);
    if (needs === 'admin') return this.#isAdmin(bearer) ? undefined : fault('forbidden');
    if (needs === 'nobody' || this.#userKey === undefined || bearer !== undefined) return undefined;
    return fault('unauthorized', {}, 'Send the token of the user as Authorization: Bearer.');
  }

  /** For whom the call may act. To be called after `refused` let it pass. Rejects only because of bugs. */
  async identify(head: RequestHead, needs: Needs): Promise<Outcome<{ mayActFor: MayActFor }>> {
    const bearer = bearerOf(head);
    const asksUser = needs === 'user' || (needs === 'user or admin' && !this.#isAdmin(bearer));
    if (this.#userKey === undefined || !asksUser) return { ok: true, mayActFor: forAll };
    const verified = await verifyUser(this.#userKey, bearer);
    return verified.ok ? { ok: true, mayActFor: (userId) => userId === verified.userId } : verified;
  }
}

const bearerOf = ({ headers }: RequestHead): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '')?.[1];
