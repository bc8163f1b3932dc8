import type { RedisStore } from '../stores/redis.ts';
import { stagedKey, stepKeys } from './keys.ts';
import { ReplyReader, readHold, readLease, states } from './replies.ts';
import type {
  CheckoutResult,
  DueSeat,
  GrantedLease,
  GuardRequest,
  GuardResult,
  HoldRequest,
  HoldResult,
  LoadCursors,
  LookTimes,
  LookTurn,
  Owner,
  ReleaseRequest,
  RenewRequest,
  RenewResult,
  SeatVersion,
  SettleRequest,
  Slice,
  Stepped,
  Swept,
} from './requests.ts';

type Arg = string | number;
const flag = (value: boolean): Arg => (value ? '1' : '');
const conn = (owner: Owner): Arg => owner.conn ?? '';
const versionArgs = (versions: readonly SeatVersion[]): Arg[] => [
  versions.length,
  ...versions.flatMap(({ seatId, version }) => [seatId, version]),
];

/**
 * The atomic steps of `lua/`, typed: one method per file, one round trip each. Keys, arguments and replies are described at
 * the head of each file. Each method may answer `stale`, and rejects with `StoreUnavailable`.
 */
export class Steps {
  readonly #store: RedisStore;

  constructor(store: RedisStore) {
    this.#store = store;
  }

  hold(showId: string, requests: readonly HoldRequest[]): Promise<Stepped<{ results: HoldResult[] }>> {
    const args = requests.flatMap(({ owner, leaseId, ttlMs, maxHoldMs, seatIds }) => [
      owner.token,
      owner.conn,
      owner.userId,
      leaseId,
      ttlMs,
      maxHoldMs,
      seatIds.length,
    ]);
    return this.#batch('hold', showId, requests, args, readHold);
  }

  renew(showId: string, requests: readonly RenewRequest[]): Promise<Stepped<{ results: RenewResult[] }>> {
    const args = requests.flatMap(({ owner, renew, seatIds }) => [
      owner.token,
      conn(owner),
      flag(renew),
      seatIds.length,
    ]);
    return this.#batch('renew', showId, requests, args, (reader, { seatIds }) =>
      seatIds.map(() => {
        const leftMs = reader.number();
        return leftMs < 0 ? undefined : leftMs;
      }),
    );
  }

  release(showId: string, requests: readonly ReleaseRequest[]): Promise<Stepped<{ results: string[][] }>> {
    const args = requests.flatMap(({ owner, leaseId, named, graceMs, seatIds }) => [
      owner.token,
      conn(owner),
      leaseId ?? '',
      flag(named),
      graceMs,
      seatIds.length,
    ]);
    return this.#batch('release', showId, requests, args, (reader) => reader.strings());
  }

  guard(showId: string, requests: readonly GuardRequest[]): Promise<Stepped<{ results: GuardResult[] }>> {
    const args = requests.flatMap(({ owner, guardId, guardMs, seatIds }) => [
      guardId,
      owner.token,
      conn(owner),
      guardMs,
      seatIds.length,
    ]);
    return this.#batch('guard', showId, requests, args, (reader, { seatIds }) =>
      reader.number() === 1
        ? { ok: true, leaseIds: reader.strings() }
        : { ok: false, states: states(reader, seatIds) },
    );
  }

  settle(showId: string, requests: readonly SettleRequest[]): Promise<Stepped<object>> {
    const seatIds = requests.flatMap(({ seats }) => seats.map(({ seatId }) => seatId));
    const args = requests.flatMap(({ guardId, won, gone, conn, seats }) => [
      guardId,
      flag(won),
      flag(gone),
      conn ?? '',
      seats.length,
      ...seats.flatMap(({ leaseId, version }) => [leaseId, version ?? '']),
    ]);
    return this.#step('settle', showId, seatIds, [requests.length, ...args], () => ({}));
  }

  checkout(
    showId: string,
    owner: Owner,
    seatIds: readonly string[],
    checkoutMs: number,
  ): Promise<Stepped<{ result: CheckoutResult }>> {
    return this.#step('checkout', showId, seatIds, [owner.token, conn(owner), checkoutMs], (reply) => {
      const reader = reply.list();
      if (reader.number() === 0) return { result: { pinned: false, seats: states(reader, seatIds) } };
      const expiresInMs = reader.number();
      return { result: { pinned: true, expiresInMs, seatsExpireInMs: seatIds.map(() => reader.number()) } };
    });
  }

  /** `conn` in the answer owns the adopted leases from now on: at least the proposed one, and higher than any before. */
  adopt(
    showId: string,
    owner: Owner & { conn: number },
    seatIds: readonly string[],
  ): Promise<Stepped<{ conn: number; leases: GrantedLease[] }>> {
    return this.#step('adopt', showId, seatIds, [owner.token, owner.userId, owner.conn], (reply) => {
      const reader = reply.list();
      const conn = reader.number();
      const leases = seatIds.map((seatId) => readLease(reader, seatId));
      return { conn, leases: leases.filter((lease) => lease.expiresInMs >= 0) };
    });
  }

  announce(showId: string, versions: readonly SeatVersion[]): Promise<Stepped<object>> {
    return this.#step('announce', showId, [], versionArgs(versions), () => ({}));
  }

  /** Reports at most `maxDue` seats, past the first `skip` and those that this call asks about. */
  sweep(showId: string, seats: readonly DueSeat[], maxDue: number, skip = 0): Promise<Stepped<Swept>> {
    const seatIds = seats.map(({ seatId }) => seatId);
    const args = seats.flatMap(({ score, version }) => [score, version ?? '']);
    return this.#step('sweep', showId, seatIds, [maxDue, skip, seats.length, ...args], (reply) => {
      const reader = reply.list();
      const due: DueSeat[] = [];
      while (!reader.done) due.push({ seatId: reader.string(), score: reader.string() });
      const ask = reply.list().strings();
      const nextInMs = reply.number();
      return { due, ask, nextInMs: nextInMs < 0 ? undefined : nextInMs };
    });
  }

  load(showId: string, from: LoadCursors, count: number): Promise<Stepped<Slice>> {
    return this.#step('load', showId, [], [from.held, from.announced, count], (reply) => {
      const cursors = { held: reply.string(), announced: reply.string() };
      const next = cursors.held === '' && cursors.announced === '' ? undefined : cursors;
      const held = reply.list().strings();
      const reader = reply.list();
      const versions: SeatVersion[] = [];
      while (!reader.done) versions.push({ seatId: reader.string(), version: Number(reader.string()) });
      return { next, held, versions };
    });
  }

  read(showId: string, afterSeq: number, maxEntries: number): Promise<Stepped<{ entries: string[] }>> {
    return this.#step('read', showId, [], [afterSeq, maxEntries], (reply) => ({
      entries: reply.list().strings(),
    }));
  }

  /** @param looked the caller had the turn and has finished its look */
  look(showId: string, looked: boolean, { everyMs, patienceMs }: LookTimes): Promise<Stepped<LookTurn>> {
    return this.#step('look', showId, [], [flag(looked), everyMs, patienceMs], (reply) => ({
      mine: reply.string() === '1',
      nextInMs: reply.number(),
    }));
  }

  /** At least one version. */
  stage(
    showId: string,
    oldEpoch: string,
    newEpoch: string,
    versions: readonly SeatVersion[],
  ): Promise<Stepped<object>> {
    const keys = [...stepKeys(showId, []), stagedKey(showId, newEpoch)];
    return this.#stepOn(keys, 'stage', [oldEpoch, ...versionArgs(versions)], () => ({}));
  }

  /** @param staged how many seats were staged for the new epoch */
  rotate(showId: string, oldEpoch: string, newEpoch: string, staged: number): Promise<Stepped<object>> {
    const keys = [...stepKeys(showId, []), ...(staged > 0 ? [stagedKey(showId, newEpoch)] : [])];
    return this.#stepOn(keys, 'rotate', [oldEpoch, newEpoch, staged], () => ({}));
  }

  #batch<Request extends { readonly seatIds: readonly string[] }, Result>(
    step: string,
    showId: string,
    requests: readonly Request[],
    args: readonly Arg[],
    read: (reader: ReplyReader, request: Request) => Result,
  ): Promise<Stepped<{ results: Result[] }>> {
    const seatIds = requests.flatMap((request) => request.seatIds);
    return this.#step(step, showId, seatIds, [requests.length, ...args], (reply) => ({
      results: requests.map((request) => read(reply.list(), request)),
    }));
  }

  #step<T extends object>(
    step: string,
    showId: string,
    seatIds: readonly string[],
    args: readonly Arg[],
    read: (reply: ReplyReader) => T,
  ): Promise<Stepped<T>> {
    return this.#stepOn(stepKeys(showId, seatIds), step, args, read);
  }

  async #stepOn<T extends object>(
    keys: readonly string[],
    step: string,
    args: readonly Arg[],
    read: (reply: ReplyReader) => T,
  ): Promise<Stepped<T>> {
    const reply = new ReplyReader(await this.#store.step(step, keys, args));
    if (reply.string() === 'STALE') return { stale: true, epoch: reply.string() };
    const position = { epoch: reply.string(), seq: reply.number() };
    return { ...read(reply), stale: false, position };
  }
}
