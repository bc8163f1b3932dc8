import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type ScenarioVariables, scenarioVariables, seatsOf } from '../flows/settings.ts';
import type { Order } from './args.ts';

export interface Scenario {
  readonly name: string;
  readonly file: string;
  /** What the scenario proves, taken from the comment at the beginning of its file. */
  readonly proves: string;
  readonly variables: ScenarioVariables;
  readonly seatIds: readonly string[];
  /** Settings of the server beside the usual ones. */
  readonly server: Readonly<Record<string, string>>;
}

const variables = z.record(z.string(), z.unknown());
const script = z.object({
  config: z.object({
    variables,
    environments: z.object({ quick: z.object({ variables }) }),
    server: z.record(z.string(), z.string()).default({}),
  }),
});

/** Reads a scenario's YAML and applies what was ordered: the quick form, and other sizes. */
export async function readScenario(name: string, order: Order): Promise<Scenario> {
  const file = fileURLToPath(new URL(`../scenarios/${name}.yml`, import.meta.url));
  const text = await readFile(file, 'utf8');
  // Artillery's own parser, so that it cannot read the file differently. Imported here because loading it takes a second.
  const { parseScript } = await import('artillery/util');
  const { config } = script.parse(await parseScript(text));
  const sized = scenarioVariables.parse(sizeOf(config.variables, config.environments.quick.variables, order));
  const proves = text.matchAll(/^# ?(.*)$/gm);
  return {
    name,
    file,
    proves: [...proves]
      .slice(0, 3)
      .map(([, line]) => line)
      .join(' '),
    variables: sized,
    seatIds: seatsOf(sized),
    server: config.server,
  };
}

const sizing = z.object({ users: z.number(), rampPerS: z.number() });

function sizeOf(table: object, quick: object, order: Order): object {
  const form = order.quick ? { ...table, ...quick } : table;
  const { users, rampPerS } = sizing.parse(form);
  const wanted = order.users ?? users * order.times;
  const given = {
    users: wanted,
    // With more users they arrive faster, so that it takes the same time.
    rampPerS: order.rampPerS ?? (rampPerS * wanted) / users,
    runS: order.runS,
    ttlMs: order.ttlMs,
    seats: order.seats,
  };
  return { ...form, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}
