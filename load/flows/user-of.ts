import { threadId } from 'node:worker_threads';
import type WebSocket from 'ws';
import { HistoryRecorder } from '../history.ts';
import { type FlowVariables, flowVariables, seatsOf } from './settings.ts';
import { type Metrics, Tally } from './tally.ts';
import { VirtualUser } from './virtual-user.ts';

/** What Artillery passes to every step of a virtual user. It is the same object for all steps of one user. */
export interface Context {
  readonly vars: Readonly<Record<string, unknown>>;
  readonly ws: WebSocket;
}

export interface Visit {
  readonly user: VirtualUser;
  readonly variables: FlowVariables;
  readonly tally: Tally;
  /** The seats of the show, the best first. */
  readonly seatIds: readonly string[];
}

/** How many users of each process record pushed snapshots and deltas. The watcher of the run does, too. */
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

/** What all users of this process share. Artillery loads this module once in each of its workers. */
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
