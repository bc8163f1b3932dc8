/* The process of the players. Its parent tells it what to play, and when to end. */

import { serve } from '../../bench/kit/served.ts';
import { HistoryRecorder } from '../../history.ts';
import { Random } from '../random.ts';
import { Buyer } from './buyer.ts';
import { crossConfirms } from './crossed.ts';
import { Pace } from './pace.ts';
import { Promises } from './promises.ts';
import { Regular } from './regular.ts';
import { type LargeShow, SlowReaders } from './slow.ts';
import { Stock } from './stock.ts';
import { emptyTally, type Tally } from './tally.ts';
import { Watcher } from './watcher.ts';
import type { World } from './world.ts';

export interface Play {
  readonly servers: readonly string[];
  readonly adminToken: string;
  readonly showIds: readonly string[];
  /** The number of seats of each show. */
  readonly seats: number;
  readonly historyDir: string;
  readonly prefix: string;
  readonly seed: number;
  readonly buyers: number;
  /** How many players use the client library. */
  readonly regulars: number;
  /** The number of watchers at each server. */
  readonly watchers: number;
  readonly twinsPercent: number;
}

interface Playing {
  readonly world: World;
  readonly promises: Promises;
  readonly buying: Promise<unknown>;
  readonly watchers: readonly Watcher[];
  readonly watching: Promise<unknown>;
}

let playing: Playing | undefined;
let slow: SlowReaders | undefined;

const now = (): Playing => {
  if (playing === undefined) throw new Error('nothing is being played');
  return playing;
};

function begin(play: Play): void {
  // If the previous row failed half-way, its players are still there.
  if (playing !== undefined) playing.world.ending = true;
  playing?.world.pace.end();
  for (const watcher of playing?.watchers ?? []) watcher.leave();
  const { servers, adminToken, prefix, twinsPercent, seed } = play;
  const world: World = {
    ...{ servers, adminToken, prefix, twinsPercent },
    stocks: play.showIds.map((showId) => new Stock(showId, play.seats)),
    recorder: new HistoryRecorder(play.historyDir, prefix),
    random: new Random(seed),
    tally: emptyTally(),
    pace: new Pace(),
    lines: new Set(),
    sockets: 0,
    ending: false,
  };
  const promises = new Promises(world);
  const watchers = servers.flatMap((_, server) =>
    Array.from({ length: play.watchers }, (_, i) => new Watcher(world, server, i % 2 === 1)),
  );
  const buyers = Array.from(
    { length: play.buyers },
    (_, i) => new Buyer(world, promises, i % servers.length),
  );
  const regulars = Array.from(
    { length: play.regulars },
    (_, i) => new Regular(world, promises, i % servers.length),
  );
  playing = {
    ...{ world, promises, watchers },
    buying: Promise.all([...buyers, ...regulars].map((buyer) => buyer.run())),
    watching: Promise.all(watchers.map((watcher) => watcher.run())),
  };
}

/** Ends the buying, and asks for the outcomes that are open until all are known. */
async function settle(): Promise<Tally> {
  const { world, promises, buying } = now();
  world.ending = true;
  await buying;
  await promises.resolve();
  world.recorder.flush();
  world.tally.stallMs = world.pace.worstMs;
  return world.tally;
}

/** Ends the watchers. */
async function end(): Promise<void> {
  const { world, watchers, watching } = now();
  for (const watcher of watchers) watcher.leave();
  await watching;
  world.pace.end();
  world.recorder.close();
  playing = undefined;
}

/** Cuts all sockets at once, without a close frame. @returns how many there were */
async function storm(): Promise<number> {
  const lines = [...now().world.lines];
  await Promise.all(lines.map((line) => line.vanish()));
  return lines.length;
}

const handlers = {
  begin,
  settle,
  end,
  storm,
  tally: () => now().world.tally,
  /** The paces from now on. */
  paces: (forMs: number) => now().world.pace.over(forMs),
  cross: ({ redisUrl, forMs }: { redisUrl: string; forMs: number }) =>
    crossConfirms(now().world, now().promises, redisUrl, forMs),
  openSlowReaders: async ({ show, server }: { show: LargeShow; server: number }) => {
    slow = await SlowReaders.open(now().world, show, server);
  },
  askWithoutReading: (maps: number) => slow?.ask(maps),
  readOn: async () => {
    await slow?.readOn();
    slow = undefined;
  },
};
export type PlayersHandlers = typeof handlers;

serve(handlers);
