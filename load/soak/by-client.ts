import { randomUUID } from 'node:crypto';
import { type Client, connect, RowlockError, type Watch } from '../../protocol/client.ts';
import { refund } from '../flows/office.ts';
import { recordedSocket } from '../flows/recorded-socket.ts';
import { about, elapsedMs, pause } from '../flows/run-clock.ts';
import { type FlowVariables, seatsOf } from '../flows/settings.ts';
import type { CustomersOptions } from './sale.ts';

const MOST_TURNS = 12;

/**
 * One place in the queue for customers that use the client library (`rowlock/client`), one after the other until the time is over.
 * The library sends their heartbeats, and resumes their session when their connection is cut.
 */
export async function comeByClient(
  name: string,
  variables: FlowVariables,
  options: CustomersOptions,
): Promise<void> {
  const { dice } = options;
  for (let guest = 0; leftMs(variables) > 0; guest++) {
    const visit = new Visit(`${name}-client-${guest}`, variables, options);
    await visit.arrive();
    for (let turns = 1 + dice.below(MOST_TURNS); turns > 0 && leftMs(variables) > 0; turns--) {
      await visit.shop();
      await pause(Math.min(about(variables.thinkMs), leftMs(variables)));
    }
    await visit.leave();
    await pause(Math.min(about(200), leftMs(variables)));
  }
}

const leftMs = ({ runS }: FlowVariables): number => Math.max(0, runS * 1000 - elapsedMs());

class Visit {
  readonly #variables: FlowVariables;
  readonly #options: CustomersOptions;
  readonly #client: Client;
  readonly #map: Watch;
  readonly #seatIds: readonly string[];
  #socket: { vanish(): Promise<void> } | undefined;
  #sockets = 0;

  constructor(name: string, variables: FlowVariables, options: CustomersOptions) {
    const { sale, recorder, tally } = options;
    this.#variables = variables;
    this.#options = options;
    this.#seatIds = seatsOf(variables);
    this.#client = connect(sale.target, {
      WebSocket: recordedSocket({
        ...{ recorder, pushes: false, name: () => `${name}.${++this.#sockets}` },
        onOpen: (socket) => {
          this.#socket = socket;
        },
        onWrong: () => tally.count('unexpected', 'client.no_frame'),
      }),
    });
    this.#map = this.#client.watch(sale.showId);
  }

  async arrive(): Promise<void> {
    await this.#ask('watch', this.#map.ready);
  }

  /** Holds seats that look free, keeps them for a while, and buys or releases them. Now and then the connection is cut. */
  async shop(): Promise<void> {
    const { dice, sale } = this.#options;
    const seatIds = this.#freeSeats();
    const { ttlMs, keepMs } = this.#variables;
    if (seatIds.length === 0) return;
    if (!(await this.#ask('hold', this.#client.hold(sale.showId, seatIds, { ttlMs }), 'seat_unavailable')))
      return;
    if (dice.happens(0.2)) await this.#socket?.vanish();
    await pause(Math.min(about(keepMs), leftMs(this.#variables)));
    if (dice.happens(0.5)) await this.#buy(seatIds);
    else await this.#ask('release', this.#client.release(sale.showId));
  }

  async leave(): Promise<void> {
    const { sale, tally } = this.#options;
    await this.#ask('release', this.#client.release(sale.showId));
    const isEmpty = this.#client.leases.size === 0;
    tally.count(
      isEmpty ? 'expected' : 'unexpected',
      isEmpty ? 'client.empty_handed' : 'client.holds_too_much',
    );
    await this.#client.close();
  }

  async #buy(seatIds: readonly string[]): Promise<void> {
    const { sale, tally } = this.#options;
    const requestId = randomUUID();
    const confirm = this.#client.confirm(sale.showId, seatIds, { requestId });
    // After a cut that was longer than leases are kept, the seats may be lost, or taken by somebody else.
    if (!(await this.#ask('confirm', confirm, 'lease_lost', 'seat_unavailable'))) return;
    await pause(Math.min(about(this.#variables.thinkMs), leftMs(this.#variables)));
    await refund(sale.target, sale.adminToken, requestId, tally);
  }

  #freeSeats(): string[] {
    const { dice } = this.#options;
    const free = this.#seatIds.filter((seatId) => this.#map.stateOf(seatId) === 'available');
    const from = dice.below(Math.max(1, free.length / 2));
    return free.slice(from, from + 2 + dice.below(3));
  }

  async #ask(what: string, call: Promise<unknown>, ...allowed: readonly string[]): Promise<boolean> {
    const { tally } = this.#options;
    try {
      await call;
      tally.count('expected', `client.${what}`);
      return true;
    } catch (error) {
      const code = error instanceof RowlockError ? error.code : 'failure';
      tally.count(allowed.includes(code) ? 'expected' : 'unexpected', `client.${what}.${code}`);
      return false;
    }
  }
}
