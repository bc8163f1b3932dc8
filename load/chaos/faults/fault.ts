import type { FaultLine, HistoryRecorder } from '../../history.ts';
import type { Ground } from '../ground/ground.ts';
import type { ServerStand } from '../ground/server-stand.ts';
import { type Judged, judgeTruth } from '../judge.ts';
import type { Moment, Span } from '../plan.ts';
import { Pace } from '../players/pace.ts';
import type { Players } from '../players/start.ts';
import type { Random } from '../random.ts';

/** What a strike has at hand. */
export interface Scene {
  readonly ground: Ground;
  readonly players: Players;
  readonly showIds: readonly string[];
  readonly moment: Moment;
  readonly random: Random;
  readonly recorder: HistoryRecorder;
  readonly historyDir: string;
  /** Something is wrong that no history shows. */
  problem(what: string): void;
  judged(verdict: Judged): void;
}

/** One row of the matrix. */
export interface Fault {
  readonly name: string;
  /** As the matrix calls it. */
  readonly row: string;
  readonly span: Span;
  /** Leases may be lost. */
  readonly forgets?: boolean;
  /** Leases may last so much longer: a clock is wrong, or their ends are forgotten. */
  readonly prolongsMs?: number;
  /** What it may harm beside stores and servers: leases may end before their time, frames may never arrive. Absent: leases. */
  readonly touches?: FaultLine['touches'];
  readonly twinsPercent?: number;
  /** A server itself is stopped for as long as a strike lasts. */
  readonly stops?: boolean;
  /** Resolves to why it cannot be injected here, found out by trying; undefined: it can. */
  readonly missing?: () => Promise<string | undefined>;
  /** What it needs before the load begins; gives back how that ends. When it rejects, all is as before. */
  readonly prepare?: (ground: Ground) => Promise<() => Promise<void>>;
  /** Strikes, and heals; resolves to whether it really happened. */
  readonly strike: (scene: Scene) => Promise<boolean>;
}

export const target = ({ ground, moment }: Scene): ServerStand => ground.servers[moment.target];

/** A lie that lasts longer is one, however busy the machine. */
const GIVE_UP_MS = 6_000;

/** Its `readyz` must say that this store is down, soon after it is. */
export async function expectDown(
  scene: Scene,
  servers: readonly ServerStand[],
  store: 'redis' | 'postgres',
): Promise<void> {
  const fromMs = performance.now();
  const clock = new Pace();
  const isTold = async (server: ServerStand) => (await server.ready())?.[store] === false;
  try {
    for (const server of servers) {
      while (!(await isTold(server)) && performance.now() - fromMs < GIVE_UP_MS);
      const verdict = judgeTruth(performance.now() - fromMs, clock.worstMs);
      if (verdict === undefined) continue;
      const lie = `readyz of ${server.ws} did not tell in time that ${store} is down`;
      if ('problem' in verdict) scene.problem(`${lie}: ${verdict.problem}`);
      else scene.judged(verdict);
      return;
    }
  } finally {
    clock.end();
  }
}
