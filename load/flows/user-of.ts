import { threadId } from 'node:worker_threads';
import type WebSocket from 'ws';
import { HistoryRecorder } from '../history.ts';
import { type FlowVariables, flowVariables, seatsOf } from './settings.ts';
import { type Metrics, Tally } from './tally.ts';
import { VirtualUser } from './virtual-user.ts';

/** What Artillery hands to every step of a virtual user: always the same object. */
export interface Context {
  readonly vars: Readonly<Record<string, unknown>>;
  readonly ws: WebSocket;
}

export interface Visit {
  readonly user: VirtualUser;
  readonly variables: FlowVariables;
  readonly tally: Tally;
  /** Of the show, the best ones first. */
  readonly seatIds: readonly string[];
}

/** So many users of a process write down every pushed map; the watcher of the run does too. */
const USERS_WITH_PUSHES = 20;

interface Shared {
  readonly variables: FlowVariables;
  readonly recorder: HistoryRecorder;
  readonly process: string;
  readonly seatIds: readonly string[];
}

const visits = new WeakMap<Context, Visit>();
let shared: Shared | undefined;
let users = 0;

/** One processor is loaded by each worker of Artillery. */
function sharedBy(context: Context): Shared {
  if (shared !== undefined) return shared;
  const variables = flowVariables.parse(context.vars);
  const name = `users-${process.pid}-${threadId}`;
  const recorder = new HistoryRecorder(variables.$env.ROWLOCK_HISTORY, name);
  shared = { variables, process: name, recorder, seatIds: seatsOf(variables) };
  return shared;
}

export function arrive(context: Context, metrics: Metrics): Visit {
  const { variables, recorder, process, seatIds } = sharedBy(context);
  const tally = new Tally(metrics);
  const number = users++;
  const user = new VirtualUser({
    url: variables.$env.ROWLOCK_TARGET,
    showId: variables.showId,
    number,
    process,
    recorder,
    tally,
    pushes: number < USERS_WITH_PUSHES,
  });
  const visit = { user, variables, tally, seatIds };
  visits.set(context, visit);
  return visit;
}

export function visitOf(context: Context): Visit {
  const visit = visits.get(context);
  if (visit === undefined) throw new Error('the first step of a flow is join');
  return visit;
}
