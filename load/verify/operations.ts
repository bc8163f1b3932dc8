import type { ClientFrame, ServerFrame, WelcomeFrame } from '../../protocol/index.ts';
import type { HistoryLine } from '../history.ts';
import type { Faults } from './faults.ts';
import type { Findings } from './violations.ts';

/** One socket of a client, by the lines that have been read so far. */
export interface Client {
  readonly name: string;
  /** Whether its pushed snapshots and deltas were recorded. */
  readonly pushes: boolean;
  readonly openedMs: number;
  welcome: WelcomeFrame | undefined;
  /** From now on the server may have ended its leases. This is when it began to close, or else its last frame before the close. */
  leftMs: number;
  closedMs: number | undefined;
  lastSentMs: number;
  readonly pending: Map<string, Operation>;
  /** Ids that were answered, to tell a second reply from a reply to no frame. */
  readonly answered: Set<string>;
}

export type ReplyFrame = ServerFrame;

/** A frame that a client has sent, with its reply. */
export interface Operation<Frame extends ClientFrame = ClientFrame> {
  readonly client: Client;
  readonly frame: Frame;
  readonly invokedMs: number;
  /** Infinity: there is no reply. */
  returnedMs: number;
  reply: ReplyFrame | undefined;
}

export type OperationOf<Type extends ClientFrame['type']> = Operation<Extract<ClientFrame, { type: Type }>>;

export const isOperation = <Type extends ClientFrame['type']>(
  operation: Operation,
  type: Type,
): operation is OperationOf<Type> => operation.frame.type === type;

/** A judge of a history. It is told what happened, in the order of time. */
export interface Judge {
  invoked?(operation: Operation): void;
  returned?(operation: Operation, reply: ReplyFrame): void;
  pushed?(client: Client, frame: ServerFrame, ms: number): void;
  closed?(client: Client, ms: number): void;
}

/** A frame without a reply for so long counts as unanswered. Longer than every deadline of the server; clients wait even longer. */
const PATIENCE_MS = 9_000;

/** How many answered ids are remembered for each client. That is enough, because a second reply would come soon. */
const MAX_ANSWERED = 1_000;

function dropOldest(ids: Set<string>): void {
  for (const id of ids) {
    ids.delete(id);
    return;
  }
}

/** Pairs each frame with its reply, and passes everything that happened to the judges. */
export class Operations {
  readonly clients = new Map<string, Client>();
  readonly counts: Record<string, number> = {};
  firstMs = Number.POSITIVE_INFINITY;
  lastMs = 0;
  readonly #judges: readonly Judge[];
  readonly #findings: Findings;
  readonly #overdue: { readonly operation: Operation; readonly ms: number }[] = [];

  constructor(judges: readonly Judge[], findings: Findings) {
    this.#judges = judges;
    this.#findings = findings;
  }

  read(line: HistoryLine): void {
    this.firstMs = Math.min(this.firstMs, line.ms);
    this.lastMs = Math.max(this.lastMs, line.ms);
    switch (line.kind) {
      case 'open':
        this.#client(line.client, line.ms, line.pushes);
        break;
      case 'invoke':
        this.#invoke(this.#client(line.client, line.ms), line.frame, line.ms);
        break;
      case 'return':
        this.#return(this.#client(line.client, line.ms), line.frame, line.ms);
        break;
      case 'push':
        this.#push(this.#client(line.client, line.ms), line.frame, line.ms);
        break;
      case 'closing': {
        const client = this.#client(line.client, line.ms);
        this.#noteOverdue(client, line.ms);
        client.leftMs = Math.min(client.leftMs, line.ms);
        break;
      }
      case 'close':
        this.#close(this.#client(line.client, line.ms), line.ms);
        break;
      case 'fault':
      case 'end':
        break;
    }
  }

  /** Reports, after all lines were read, frames that never got a reply although their socket was open for long enough. */
  finish(faults: Faults): void {
    for (const client of this.clients.values())
      if (client.closedMs === undefined) this.#noteOverdue(client, this.lastMs);
    for (const { operation, ms } of this.#overdue) {
      if (faults.mayLoseFrames(operation.invokedMs, ms)) continue;
      const what = `a ${operation.frame.type} was never answered`;
      this.#findings.add('no_reply', { rule: 'I5', what, operations: [describe(operation, this)] });
    }
  }

  /** Notes what has waited too long when the socket begins to close or is closed. */
  #noteOverdue(client: Client, ms: number): void {
    if (client.leftMs !== Number.POSITIVE_INFINITY) return;
    for (const operation of client.pending.values())
      if (ms - operation.invokedMs >= PATIENCE_MS) this.#overdue.push({ operation, ms });
  }

  #client(name: string, ms: number, pushes = true): Client {
    const known = this.clients.get(name);
    if (known !== undefined) return known;
    const client: Client = {
      ...{ name, pushes, openedMs: ms, welcome: undefined, leftMs: Number.POSITIVE_INFINITY },
      ...{ closedMs: undefined, lastSentMs: ms, pending: new Map(), answered: new Set() },
    };
    this.clients.set(name, client);
    return client;
  }

  #invoke(client: Client, frame: ClientFrame, ms: number): void {
    const operation = {
      ...{ client, frame, invokedMs: ms, returnedMs: Number.POSITIVE_INFINITY, reply: undefined },
    };
    client.pending.set(frame.id, operation);
    client.answered.delete(frame.id);
    client.lastSentMs = ms;
    for (const judge of this.#judges) judge.invoked?.(operation);
  }

  #return(client: Client, reply: ReplyFrame, ms: number): void {
    const id = ('id' in reply ? reply.id : undefined) ?? '';
    const operation = client.pending.get(id);
    if (operation === undefined) {
      const what = client.answered.has(id) ? 'a second reply to one frame' : 'a reply to no frame';
      const operations = [`${client.name} got ${JSON.stringify(reply)}`];
      this.#findings.add('stray_reply', { rule: 'I5', what, operations });
      return;
    }
    client.pending.delete(id);
    client.answered.add(id);
    if (client.answered.size > MAX_ANSWERED) dropOldest(client.answered);
    operation.reply = reply;
    operation.returnedMs = ms;
    if (reply.type === 'welcome') client.welcome = reply;
    this.#count(`${operation.frame.type} ${reply.type === 'error' ? reply.code : reply.type}`);
    for (const judge of this.#judges) judge.returned?.(operation, reply);
  }

  #push(client: Client, frame: ServerFrame, ms: number): void {
    this.#count(`push ${frame.type}`);
    for (const judge of this.#judges) judge.pushed?.(client, frame, ms);
  }

  #close(client: Client, ms: number): void {
    this.#noteOverdue(client, ms);
    client.closedMs = ms;
    client.leftMs = Math.min(client.leftMs, ms);
    if (client.leftMs === ms) client.leftMs = client.lastSentMs;
    client.answered.clear();
    for (const judge of this.#judges) judge.closed?.(client, ms);
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** Seconds since the beginning of the run. */
const since = (ms: number, { firstMs }: { readonly firstMs: number }): string =>
  `${((ms - firstMs) / 1_000).toFixed(4)} s`;

/** One line that says who sent what when, and what the reply was. */
export function describe(operation: Operation, run: { readonly firstMs: number }): string {
  const { client, frame, invokedMs, returnedMs, reply } = operation;
  const user = client.welcome === undefined ? '' : ` (user ${client.welcome.userId})`;
  const asked = `${since(invokedMs, run)} ${client.name}${user} ${JSON.stringify(frame)}`;
  if (reply === undefined) return `${asked} → no reply`;
  const text =
    reply.type === 'error' ? JSON.stringify({ ...reply, message: undefined }) : JSON.stringify(reply);
  return `${asked} → after ${(returnedMs - invokedMs).toFixed(1)} ms ${text.slice(0, 600)}`;
}

export const describePush = (
  client: Client,
  frame: ServerFrame,
  ms: number,
  run: { readonly firstMs: number },
): string => `${since(ms, run)} ${client.name} was told ${JSON.stringify(frame).slice(0, 600)}`;
