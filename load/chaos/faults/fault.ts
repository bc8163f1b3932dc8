import type { FaultLine, HistoryRecorder } from '../../history.ts';
import type { Ground } from '../ground/ground.ts';
import type { ServerStand } from '../ground/server-stand.ts';
import { type Judged, judgeTruth } from '../judge.ts';
import type { Moment, Span } from '../plan.ts';
import { Pace } from '../players/pace.ts';
import type { Players } from '../players/start.ts';
import type { Random } from '../random.ts';

/** What a strike has to work with. */
export interface Scene {
  readonly ground: Ground;
  readonly players: Players;
  readonly showIds: readonly string[];
  readonly moment: Moment;
  readonly random: Random;
  readonly recorder: HistoryRecorder;
  readonly historyDir: string;
  /** Reports a problem that no history shows. */
  problem(what: string): void;
  judged(verdict: Judged): void;
}

/** One row of the matrix. */
export interface Fault {
  readonly name: string;
  /** Its name in the matrix. */
  readonly row: string;
  readonly span: Span;
  /** Leases may be lost. */
  readonly forgets?: boolean;
  /** Leases may last so much longer, because a clock is wrong or their ends are forgotten. */
  readonly prolongsMs?: number;
  /** What else it may cause: leases that end too early, frames that never arrive. Absent: leases. */
  readonly touches?: FaultLine['touches'];
  readonly twinsPercent?: number;
  /** A server itself is stopped during each strike. */
  readonly stops?: boolean;
  /** Resolves with the reason why it cannot be injected here, found by trying; undefined: it can. */
  readonly missing?: () => Promise<string | undefined>;
  /** Called before the load begins. Resolves with a function that undoes it. If it rejects, nothing has changed. */
  readonly prepare?: (ground: Ground) => Promise<() => Promise<void>>;
  /** Injects the fault and ends it. Resolves with whether it has really happened. */
  readonly strike: (scene: Scene) => Promise<boolean>;
}

export const target = ({ ground, moment }: Scene): ServerStand => ground.servers[moment.target];

/** If `readyz` is wrong for so long, it is wrong, however busy the machine is. */
const GIVE_UP_MS = 6_000;

/** Expects `readyz` of the server to say soon that this store is down. */
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
