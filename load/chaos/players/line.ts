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
  /** Pushed frames and maps. */
  readonly hears?: (frame: ServerFrame) => void;
  readonly pushes?: boolean;
}

/** One socket of a player that was welcomed. */
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

  /** Resolves to undefined when the server lets nobody in. */
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
    world.tally.operations += 1;
    const welcome = await connection.ask({ type: 'hello', ...hello });
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

  async ask(request: Request): Promise<ServerFrame | undefined> {
    const { tally, pace } = this.#world;
    tally.operations += 1;
    const fromMs = performance.now();
    const reply = await this.#connection.ask(request);
    const tookMs = performance.now() - fromMs;
    if (reply !== undefined) pace.heard(request.type, reply.type, tookMs);
    if (reply !== undefined && request.type === 'hold')
      tally.slowestHoldMs = Math.max(tally.slowestHoldMs, tookMs);
    if (reply !== undefined && request.type === 'confirm')
      tally.slowestConfirmMs = Math.max(tally.slowestConfirmMs, tookMs);
    return reply;
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
