import type { ServerFrame, WelcomeFrame } from '../../../protocol/index.ts';
import { Connection, openSocket, type Request } from '../../flows/connection.ts';
import type { World } from './world.ts';

interface Leases {
  readonly showId: string;
  readonly seatIds: string[];
}

export interface Hello {
  readonly userId: string;
  readonly session?: string;
  readonly leases?: Leases[];
}

interface Hearing {
  /** Called with pushes, and with the frames of maps. */
  readonly hears?: (frame: ServerFrame) => void;
  readonly pushes?: boolean;
}

/** One socket of a player, after its hello. */
export class Line {
  readonly server: number;
  readonly welcome: WelcomeFrame;
  readonly #world: World;
  readonly #name: string;
  readonly #connection: Connection;

  private constructor(
    world: World,
    server: number,
    name: string,
    connection: Connection,
    welcome: WelcomeFrame,
  ) {
    this.#world = world;
    this.server = server;
    this.#name = name;
    this.#connection = connection;
    this.welcome = welcome;
  }

  /** Resolves with undefined if the server does not accept it. */
  static async open(
    world: World,
    server: number,
    hello: Hello,
    { hears = () => undefined, pushes = false }: Hearing = {},
  ): Promise<Line | undefined> {
    const socket = await openSocket(world.servers[server] ?? '');
    if (socket === undefined) return undefined;
    const name = `${world.prefix}-${++world.sockets}`;
    const lines: Line[] = [];
    const connection = new Connection(socket, {
      ...{ recorder: world.recorder, name, pushes },
      onFrame: hears,
      onLost: () => {
        for (const line of lines) world.lines.delete(line);
      },
    });
    const welcome = await timed(world, connection, { type: 'hello', ...hello });
    if (welcome?.type !== 'welcome' || !connection.isOpen) {
      await connection.vanish();
      return undefined;
    }
    const line = new Line(world, server, name, connection, welcome);
    lines.push(line);
    world.lines.add(line);
    return line;
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  ask(request: Request): Promise<ServerFrame | undefined> {
    return timed(this.#world, this.#connection, request);
  }

  /** The same for a player that does not read for a while. The time is not measured, because it says nothing about the server. */
  askWithoutReading(request: Request): void {
    this.#world.tally.operations += 1;
    void this.#connection.ask(request);
  }

  readNothing(): void {
    this.#connection.readNothing();
  }

  readOn(): void {
    this.#connection.readOn();
  }

  async close(): Promise<void> {
    this.#leave();
    await this.#connection.close();
  }

  async vanish(): Promise<void> {
    this.#leave();
    await this.#connection.vanish();
  }

  #leave(): void {
    this.#world.lines.delete(this);
    if (this.isOpen) this.#world.recorder.closing(this.#name);
  }
}

/** Notes how long the reply took. It is a problem if there is none while the socket is open. */
async function timed(
  { tally, pace }: World,
  connection: Connection,
  request: Request,
): Promise<ServerFrame | undefined> {
  tally.operations += 1;
  const fromMs = performance.now();
  const reply = await connection.ask(request);
  const tookMs = performance.now() - fromMs;
  if (reply === undefined && !connection.isOpen) return undefined;
  tally.slowestMs[request.type] = Math.max(tally.slowestMs[request.type] ?? 0, tookMs);
  if (reply !== undefined) pace.heard(request.type, reply.type, tookMs);
  else
    tally.problems.push(
      `nobody answered a ${request.type} within ${Math.round(tookMs)} ms on an open socket`,
    );
  return reply;
}
