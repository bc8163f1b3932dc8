import { setTimeout as pause } from 'node:timers/promises';
import { closeCodes, encode } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { Config } from '../config.ts';
import { sessionLimits } from '../limits.ts';
import type { Sender } from './sender.ts';
import type { Session } from './session.ts';

/** Counts by name. Names with a count of 0 are not kept. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, by: 1 | -1): void {
    const count = this.of(name) + by;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
  }
}

/** What this file uses of a connection. */
export interface Connected {
  readonly address: string;
  readonly sender: Sender;
  readonly session: Session | undefined;
  /** Frames that have no reply yet. */
  readonly underWay: number;
}

/** Every socket of this server, and the sessions on them by their token. */
export class Connections {
  readonly #config: Config;
  readonly #all = new Set<Connected>();
  readonly #sessions = new Map<string, Session>();
  readonly #perAddress = new Tally();
  readonly #perUser = new Tally();
  #draining = false;

  constructor(config: Config) {
    this.#config = config;
  }

  get size(): number {
    return this.#all.size;
  }

  get watches(): number {
    let watches = 0;
    for (const { sender } of this.#all) watches += sender.watching;
    return watches;
  }

  /** Those whose client does not read. */
  get slow(): number {
    let slow = 0;
    for (const { sender } of this.#all) if (sender.isSlow) slow += 1;
    return slow;
  }

  /** Frames that have no reply yet. */
  get underWay(): number {
    let underWay = 0;
    for (const connection of this.#all) underWay += connection.underWay;
    return underWay;
  }

  add(connection: Connected): void {
    this.#all.add(connection);
    this.#perAddress.add(connection.address, 1);
    // Accepted just before the server stopped listening. Without this it would be cut without a close code.
    if (this.#draining) connection.sender.close(closeCodes.draining);
  }

  remove(connection: Connected): void {
    if (!this.#all.delete(connection)) return;
    this.#perAddress.add(connection.address, -1);
    if (connection.session !== undefined) this.leave(connection.session);
  }

  /** Sockets without hello are bounded too, generously: while a session resumes, it has two sockets. */
  isCrowded(address: string): boolean {
    const { maxSessionsPerAddress } = this.#config;
    const most = maxSessionsPerAddress * sessionLimits.socketsPerSession;
    return maxSessionsPerAddress > 0 && this.#perAddress.of(address) >= most;
  }

  /** The message of the refusal when this connection or its session is one too many. */
  limitReached(connection: Connected, session: Session): string | undefined {
    const { maxSessions, maxSessionsPerAddress, maxSessionsPerUser } = this.#config;
    // Resuming takes the place of the session's earlier connection.
    const others = this.#sessions.has(session.owner.token) ? 1 : 0;
    const reached = (limit: number, count: number) => limit > 0 && count - others >= limit;
    if (reached(maxSessions, this.#sessions.size)) return `This server takes ${maxSessions} sessions.`;
    // This connection is counted already, and one that it replaces may still be open.
    if (reached(maxSessionsPerAddress, this.#perAddress.of(connection.address) - 1)) {
      return `At most ${maxSessionsPerAddress} connections from one address.`;
    }
    if (reached(maxSessionsPerUser, this.#perUser.of(session.userId))) {
      return `At most ${maxSessionsPerUser} sessions per user.`;
    }
    return undefined;
  }

  /**
   * Begins the session. An earlier connection of it on this server is closed and releases nothing: before leases are adopted,
   * or both connections would be told what becomes of them. If Redis is down then, the leases stay there until the client
   * repeats hello on the later connection.
   */
  join(session: Session): void {
    const earlier = this.#sessions.get(session.owner.token);
    this.#sessions.set(session.owner.token, session);
    if (this.#draining) session.end('draining');
    this.#perUser.add(session.userId, 1);
    earlier?.superseded();
  }

  leave(session: Session): void {
    this.#perUser.add(session.userId, -1);
    if (this.#sessions.get(session.owner.token) === session) this.#sessions.delete(session.owner.token);
  }

  /**
   * Sends `draining` to all, lets frames under way finish, closes in batches. From the call on, no close releases leases.
   * Resolves when all are closed, `deadlineMs` after the call at the latest.
   */
  async drain(deadlineMs: number): Promise<void> {
    const endMs = monotonicMs() + deadlineMs;
    this.#draining = true;
    for (const { session, sender } of this.#all) {
      session?.end('draining');
      const reconnectInMs = Math.floor(Math.random() * sessionLimits.reconnectSpreadMs);
      sender.send(encode({ type: 'draining', reconnectInMs }));
    }
    while (this.#busy() && monotonicMs() < endMs) await pause(sessionLimits.drainBatchEveryMs);
    const open = [...this.#all];
    for (let i = 0; i < open.length; i += sessionLimits.drainBatch) {
      for (const { sender } of open.slice(i, i + sessionLimits.drainBatch)) sender.close(closeCodes.draining);
      if (monotonicMs() < endMs) await pause(sessionLimits.drainBatchEveryMs);
    }
  }

  #busy(): boolean {
    for (const connection of this.#all) if (connection.underWay > 0) return true;
    return false;
  }
}
