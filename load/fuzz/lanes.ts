import fc from 'fast-check';
import { Player, type Target } from './play.ts';
import { inputsOf, KINDS, type Kind, type Scenario, scenario } from './scenario.ts';

/** So many connections are played with one seed. Then comes the next seed, which is one higher. */
const SCENARIOS_PER_SEED = 50;

export interface Fuzzed {
  readonly inputs: Readonly<Record<Kind, number>>;
  readonly connections: number;
  /** The first seed that was not played. */
  readonly nextSeed: number;
  /** Sentences that say what was wrong, with the seed that reproduces it. */
  readonly wrongs: readonly string[];
}

export interface Order {
  readonly inputs: number;
  readonly seed: number;
  /** Connections at the same time. */
  readonly lanes: number;
  readonly stop?: AbortSignal;
  readonly onProgress?: (inputs: number) => void;
}

/** Plays that many inputs, or a few more. Stops at the first wrong answer. */
export async function fuzz(target: Target, order: Order): Promise<Fuzzed> {
  const inputs = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  const wrongs: string[] = [];
  let connections = 0;
  let total = 0;
  let seed = order.seed;

  const playSeed = async (player: Player, current: number) => {
    const property = fc.asyncProperty(scenario, async (it) => {
      const wrong = await player.play(it);
      inputs[it.kind] += inputsOf(it);
      total += inputsOf(it);
      connections += 1;
      if (wrong !== undefined) throw new Error(wrong);
    });
    const result = await fc.check(property, {
      seed: current,
      numRuns: SCENARIOS_PER_SEED,
      endOnFailure: true,
    });
    if (result.failed) {
      const [failing] = result.counterexample ?? [];
      const sent = failing === undefined ? '' : described(failing);
      wrongs.push(`--seed ${current} --inputs 1: ${String(result.errorInstance)}\nafter ${sent}`);
    }
  };
  const lane = async () => {
    const player = new Player(target);
    while (total < order.inputs && wrongs.length === 0 && !order.stop?.aborted) {
      await playSeed(player, seed++);
      order.onProgress?.(total);
    }
  };
  await Promise.all(Array.from({ length: order.lanes }, lane));
  return { inputs, connections, nextSeed: seed, wrongs };
}

/** One line for each input; long ones are shortened. */
function described(it: Scenario): string {
  const parts = 'texts' in it ? it.texts : it.parts.map((bytes) => bytes.toString('latin1'));
  return [it.kind, ...parts.map((part) => `  ${JSON.stringify(part.slice(0, 300))}`)].join('\n');
}
