import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { SeatMap } from '../../../protocol/client/seat-map.ts';
import type { ServerFrame } from '../../../protocol/index.ts';
import { Line } from './line.ts';
import type { World } from './world.ts';

/** Watches all shows at one server and records every frame. Reconnects whenever it is cut off. */
export class Watcher {
  readonly #world: World;
  readonly #server: number;
  readonly #isRestless: boolean;
  readonly #maps = new Map<string, SeatMap>();
  #line: Line | undefined;
  #left = false;

  /** @param isRestless whether it disconnects by itself now and then */
  constructor(world: World, server: number, isRestless: boolean) {
    this.#world = world;
    this.#server = server;
    this.#isRestless = isRestless;
  }

  async run(): Promise<void> {
    const { random } = this.#world;
    while (!this.#left) {
      if (!this.#line?.isOpen) await this.#join();
      await pause(random.between(20, 60));
      if (this.#isRestless && !this.#world.ending && random.chance(0.03)) await this.#line?.vanish();
    }
    await this.#line?.close();
  }

  leave(): void {
    this.#left = true;
  }

  /** Whether it is watching all shows. */
  get isThere(): boolean {
    return (this.#line?.isOpen ?? false) && this.#maps.size === this.#world.stocks.length;
  }

  async #join(): Promise<void> {
    const { random, stocks } = this.#world;
    // Usually it forgets its maps, otherwise it tells the server its positions. The checker only judges maps from a snapshot on.
    if (random.chance(0.7)) this.#maps.clear();
    const before = new Map(this.#maps);
    const hears = (frame: ServerFrame) => this.#hears(frame);
    const line = await Line.open(
      this.#world,
      this.#server,
      { userId: randomUUID() },
      { hears, pushes: true },
    );
    this.#line = line;
    if (line === undefined) return void (await pause(50));
    for (const { showId } of stocks) await this.#watch(line, showId, before.get(showId));
  }

  async #watch(line: Line, showId: string, map: SeatMap | undefined): Promise<void> {
    const since = map?.position;
    for (let turn = 0; turn < 20 && line.isOpen; turn++) {
      const reply = await line.ask({ type: 'watch', showId, ...(since === undefined ? {} : { since }) });
      if (reply?.type !== 'error') return;
      await pause(100);
    }
    await line.vanish();
  }

  #hears(frame: ServerFrame): void {
    if (frame.type !== 'snapshot' && frame.type !== 'delta') return;
    const map = this.#maps.get(frame.showId) ?? new SeatMap();
    this.#maps.set(frame.showId, map);
    const line = this.#line;
    // After a gap it must ask again. While it is joining, it asks anyway.
    if (map.fold(frame) === 'gap' && line !== undefined && this.isThere)
      void this.#watch(line, frame.showId, map);
  }
}
