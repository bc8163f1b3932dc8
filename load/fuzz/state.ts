import { z } from 'zod';
import { PostgresConnection } from '../../server/stores/postgres-connection.ts';
import { askRedis } from '../bench/kit/redis-telnet.ts';
import { BYSTANDER_SHOW, FUZZ_SHOW } from './frames.ts';
import type { Seen } from './play.ts';

const DEADLINE_MS = 20_000;
const KEY = /^(?:(?:due|sold|pos|log):\{([\w-]+)\}|lock:\{([\w-]+)\}:[\w-]+)$/;

type Column = 'id' | 'show_id' | 'seat_id' | 'user_id' | 'request_id' | 'status' | 'outcome' | 'cancelled_at';
type Row = Readonly<Partial<Record<Column, unknown>>>;

/** The whole content of both stores. */
export interface State {
  readonly shows: readonly Row[];
  readonly seats: readonly Row[];
  readonly bookings: readonly Row[];
  readonly requests: readonly Row[];
  /** Key → its value, as text that can be compared. */
  readonly redis: ReadonlyMap<string, string>;
}

export interface Stores {
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

export async function readState({ databaseUrl, redisUrl }: Stores): Promise<State> {
  const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };
  const connection = await PostgresConnection.open({ url: databaseUrl, ...patience }, DEADLINE_MS);
  const rows = async (text: string): Promise<Row[]> => [...(await connection.query(text, [], DEADLINE_MS))];
  try {
    return {
      shows: await rows('SELECT id, name, created_at::text FROM shows ORDER BY id'),
      seats: await rows('SELECT show_id, id, status::text, version::text FROM seats ORDER BY show_id, id'),
      bookings: await rows(
        'SELECT id::text, show_id, seat_id, user_id::text, request_id::text, cancelled_at::text FROM bookings ORDER BY id',
      ),
      requests: await rows(
        'SELECT request_id::text, user_id::text, show_id, outcome::text FROM booking_requests ORDER BY request_id',
      ),
      redis: await readRedis(new URL(redisUrl)),
    };
  } finally {
    await connection.close();
  }
}

/** Whether all leases of the fuzzed show have ended. */
export const isQuiet = ({ redis }: State): boolean =>
  ![...redis.keys()].some((key) => key.startsWith(`lock:{${FUZZ_SHOW}}:`) || key === `due:{${FUZZ_SHOW}}`);

/** Sentences that say what has changed although no valid input can have changed it. */
export function wrongs(before: State, after: State, seen: Seen): string[] {
  const found: string[] = [];
  const mustHold = (holds: boolean, otherwise: string) => void (holds || found.push(otherwise));
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const apart = (rows: readonly Row[]) => rows.filter(({ show_id }) => show_id !== FUZZ_SHOW);
  const booked = (rows: readonly Row[]) => rows.filter(({ outcome }) => outcome === 'BOOKED');
  const wasSent = (row: Row) => seen.uuids.has(String(row.request_id)) && seen.uuids.has(String(row.user_id));

  mustHold(same(before.shows, after.shows), 'the shows have changed');
  mustHold(same(apart(before.seats), apart(after.seats)), 'seats of another show have changed');
  mustHold(same(apart(before.bookings), apart(after.bookings)), 'bookings of another show have changed');
  mustHold(same(apart(booked(before.requests)), apart(booked(after.requests))), 'another show was booked');
  const known = new Set(before.bookings.map(({ id }) => id));
  for (const row of after.bookings.filter(({ id }) => !known.has(id)))
    mustHold(wasSent(row), `nobody asked for the booking ${JSON.stringify(row)}`);
  const rows = new Set(after.bookings.map(({ id }) => id));
  for (const id of seen.bookings) mustHold(rows.has(id), `the booking ${id} was confirmed and is not there`);
  const live = after.bookings.filter((row) => row.show_id === FUZZ_SHOW && row.cancelled_at === null);
  const sold = after.seats.filter((row) => row.show_id === FUZZ_SHOW && row.status === 'BOOKED');
  mustHold(
    same(live.map(({ seat_id }) => seat_id).sort(), sold.map(({ id }) => id).sort()),
    'booked seats and bookings differ',
  );

  const shows = new Set(after.shows.map(({ id }) => id));
  for (const key of after.redis.keys()) {
    const [, ofShow, ofLock] = KEY.exec(key) ?? [];
    mustHold(shows.has(ofShow ?? ofLock), `Redis has a key that nobody should make: ${JSON.stringify(key)}`);
  }
  // Leases are compared without their end, which heartbeats move.
  const lease = ({ redis }: State, key: string) => redis.get(key)?.replace(/ends=\d+/, '');
  for (const key of new Set([...before.redis.keys(), ...after.redis.keys()])) {
    const [was, is] = [lease(before, key), lease(after, key)];
    const theirs = key.startsWith(`lock:{${BYSTANDER_SHOW}}:`);
    mustHold(!theirs || was === is, `the lease of somebody else has changed: ${key} from ${was} to ${is}`);
  }
  mustHold(isQuiet(after), 'leases have not ended');
  return found;
}

const texts = z.record(z.string(), z.string());

/** A Lua script that returns all keys, each with its type or, if it is a hash, its fields in order. */
const SCRIPT = `
  local all = {}
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local kind = redis.call('TYPE', key).ok
    all[key] = kind
    if kind == 'hash' then
      local lines, flat = {}, redis.call('HGETALL', key)
      for i = 1, #flat, 2 do lines[#lines + 1] = flat[i] .. '=' .. flat[i + 1] end
      table.sort(lines)
      all[key] = table.concat(lines, ' ')
    end
  end
  return cjson.encode(all)`;

async function readRedis({ port }: URL): Promise<Map<string, string>> {
  // An inline command must be one line.
  const reply = await askRedis(Number(port), `EVAL "${SCRIPT.replaceAll(/\s+/g, ' ')}" 0`);
  const json = /^\$\d+\r\n(\{.*\})\r\n/s.exec(reply)?.[1];
  if (json === undefined) throw new Error(`Redis answers ${reply.slice(0, 200)}`);
  return new Map(Object.entries(texts.parse(JSON.parse(json))));
}
