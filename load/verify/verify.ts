import { Steps } from '../../server/leases/steps.ts';
import { createLog } from '../../server/observability/log.ts';
import { PostgresConnection } from '../../server/stores/postgres-connection.ts';
import { openRedis } from '../../server/stores/redis.ts';
import type { EndMap } from '../history.ts';
import { Answers } from './answers.ts';
import { Confirms } from './confirms.ts';
import { Faults } from './faults.ts';
import { Grants } from './grants.ts';
import { mergedHistory } from './merged.ts';
import { Operations } from './operations.ts';
import { readTables, type Tables } from './tables.ts';
import { LeaseTerms } from './terms.ts';
import { Findings, type Rule, type Violation } from './violations.ts';
import { type FinalMap, finalOf, Watchers } from './watchers.ts';

export interface VerifyOptions {
  /** The directory with the files of the `HistoryRecorder`s. */
  readonly historyDir?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
  /** Only this show; undefined: all shows of the database. */
  readonly showId?: string | undefined;
}

export interface Verdict {
  /** The first violations of each kind. */
  readonly violations: readonly Violation[];
  /** How many violations of each kind there are. */
  readonly kinds: Readonly<Record<string, { readonly rule: Rule; readonly count: number }>>;
  readonly ok: boolean;
  /** How much was checked: without violations, this shows that there was something to check. */
  readonly looked: Readonly<Record<string, number>>;
  /** The number of replies by request and outcome (`hold seat_unavailable`), and of pushes by type. */
  readonly outcomes: Readonly<Record<string, number>>;
}

const DEADLINE_MS = 30_000;
const ALL_SEATS = 1_000_000;

/** Checks the tables, a history, or both. Rejects if one of them cannot be read. */
export async function verify(options: VerifyOptions): Promise<Verdict> {
  const { historyDir, databaseUrl, showId } = options;
  const findings = new Findings();
  const tables = databaseUrl === undefined ? undefined : await inDatabase(databaseUrl, showId, findings);
  const looked: Record<string, number> = {};
  if (tables !== undefined)
    Object.assign(looked, { requests: tables.requests.size, bookings: tables.bookings });
  let outcomes: Readonly<Record<string, number>> = {};
  if (historyDir !== undefined) {
    const judged = await judgeHistory(historyDir, options, tables, findings);
    Object.assign(looked, judged.looked);
    outcomes = judged.outcomes;
  }
  const { violations, kinds, total } = findings;
  return { violations, kinds, ok: total === 0, looked, outcomes };
}

async function inDatabase(url: string, showId: string | undefined, findings: Findings): Promise<Tables> {
  const patience = { statementTimeoutMs: DEADLINE_MS * 2, lockTimeoutMs: DEADLINE_MS };
  const connection = await PostgresConnection.open({ url, ...patience }, DEADLINE_MS);
  try {
    return await readTables(connection, showId, findings);
  } finally {
    await connection.close();
  }
}

async function judgeHistory(
  dir: string,
  { redisUrl, showId }: VerifyOptions,
  tables: Tables | undefined,
  findings: Findings,
) {
  const faults = new Faults();
  const grants = new Grants(faults, findings);
  const confirms = new Confirms(findings);
  const watchers = new Watchers(findings);
  const terms = new LeaseTerms();
  const answers = new Answers(findings);
  const operations = new Operations([grants, terms, answers, confirms, watchers], findings);
  for (const judge of [answers, watchers]) judge.begin(operations);
  const ends: { ms: number; maps: EndMap[] }[] = [];
  let lines = 0;
  let changedMs = 0;
  for await (const batch of mergedHistory(dir)) {
    lines += batch.length;
    for (const line of batch) {
      operations.read(line);
      if (line.kind === 'fault') faults.add(line);
      if (line.kind === 'end') {
        ends.push(line);
        watchers.ended(line.ms);
      }
      const changes = line.kind === 'fault' || line.kind === 'close';
      if (changes || line.kind === 'invoke' || line.kind === 'return') changedMs = line.ms;
    }
  }
  if (lines === 0) throw new Error(`${dir} holds no history`);
  operations.finish(faults);
  const shows = new Set([...watchers.showIds, ...confirms.showIds]);
  const isJudged = (id: string): boolean => shows.has(id) && (showId === undefined || id === showId);
  confirms.finish(operations, tables, isJudged);
  terms.finish(operations, faults, findings);
  grants.finish(operations, ends, tables && bookedByOthers(tables, confirms));
  const finals = ends.flatMap(({ maps }) => maps.map(finalOf));
  if (tables !== undefined) finals.push(...(await storesSay([...shows], tables, redisUrl)));
  watchers.finish({ lastMs: operations.lastMs, quietMs: changedMs }, finals, tables);
  const counts = { lines, clients: operations.clients.size, faults: faults.count, grants: grants.grants };
  const looked = {
    ...counts,
    confirmIds: confirms.requests,
    maps: watchers.maps,
    mapsCompared: watchers.compared,
  };
  return { looked, outcomes: operations.counts };
}

/** Seats with a booking or a status that no confirm of the history explains, because it is older than the run or made by hand. */
function bookedByOthers(tables: Tables, confirms: Confirms) {
  const seats = new Set<string>();
  const explained = new Set<string>();
  for (const { requestId, showId, bookings } of tables.requests.values()) {
    const into = confirms.asked(requestId) ? explained : seats;
    for (const { seatId } of bookings) into.add(`${showId} ${seatId}`);
  }
  for (const [showId, seatIds] of tables.booked)
    for (const seatId of seatIds) if (!explained.has(`${showId} ${seatId}`)) seats.add(`${showId} ${seatId}`);
  return (showId: string, seatId: string): boolean => seats.has(`${showId} ${seatId}`);
}

/** The final maps: what is booked from PostgreSQL, and what is held from Redis, if its URL is known. */
async function storesSay(
  showIds: readonly string[],
  tables: Tables,
  redisUrl: string | undefined,
): Promise<FinalMap[]> {
  const nothing: ReadonlySet<string> = new Set();
  const inPostgres = showIds.map((showId) => ({
    ...{ showId, source: 'Postgres', booked: tables.booked.get(showId) ?? nothing },
  }));
  if (redisUrl === undefined) return inPostgres;
  const store = openRedis({ url: redisUrl, timeoutMs: DEADLINE_MS, log: createLog('silent') });
  try {
    await store.connect();
    const steps = new Steps(store);
    return await Promise.all(inPostgres.map((final) => withLeases(steps, final)));
  } finally {
    store.close();
  }
}

async function withLeases(steps: Steps, final: FinalMap): Promise<FinalMap> {
  // Only the held seats, and all of them in one slice, so that they belong to one position.
  const loaded = await steps.load(final.showId, { held: '0', announced: '' }, ALL_SEATS);
  // Redis has begun anew and no server has noticed yet, so there is nothing to read.
  if (loaded.stale) return final;
  const { epoch, seq } = loaded.position;
  const held = new Set(loaded.held.filter((seatId) => !final.booked.has(seatId)));
  return { ...final, source: 'Postgres and Redis', epoch, seq, held, movesOn: true };
}
