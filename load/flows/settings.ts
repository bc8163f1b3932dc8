import { z } from 'zod';

const count = z.coerce.number().int().min(0);

/** The variables of a scenario: those of its YAML, changed by its quick form and by the flags. */
export const scenarioVariables = z.strictObject({
  /** The number of seats, or their names. Not needed if there is `seatsPerUser`. */
  seats: z.union([z.int().min(1), z.string().regex(/^[\w,-]+$/)]).optional(),
  seatsPerUser: count.optional(),
  users: count.min(1),
  rampPerS: z.coerce.number().positive(),
  /** From the first arrival until no user begins another turn. */
  runS: z.coerce.number().positive(),
  ttlMs: count,
  /** How long a user keeps a seat, on average. */
  keepMs: count.default(0),
  /** Between hold and confirm, on average. */
  thinkMs: count.default(0),
  /** Between two tries for a seat that is taken, on average. */
  pollMs: count.default(500),
  /** The average time between two locks that are deleted in Redis (run/liar.ts); 0: none is. */
  lieEveryMs: count.default(0),
  buyers: count.default(0),
  /** The time between two storms. */
  everyMs: count.default(0),
  /** From the first arrival until the leases end that were not confirmed. */
  waveMs: count.default(0),
});
export type ScenarioVariables = z.infer<typeof scenarioVariables>;

/** What the flows get: variables by Artillery's command line, and in `$env` those of its environment. */
export const flowVariables = z.object({
  ...scenarioVariables.shape,
  showId: z.string(),
  $env: z.object({
    ROWLOCK_TARGET: z.string(),
    ROWLOCK_HISTORY: z.string(),
    /** Undefined: there are no refunds. */
    ROWLOCK_ADMIN_TOKEN: z.string().optional(),
  }),
});
export type FlowVariables = z.infer<typeof flowVariables>;

const SEATS_PER_ROW = 50;

/** A1 … A50, B1 … Z50, AA1 …, the best seats first. */
function seatNames(many: number): string[] {
  return Array.from(
    { length: many },
    (_, i) => `${rowName(Math.floor(i / SEATS_PER_ROW))}${(i % SEATS_PER_ROW) + 1}`,
  );
}

function rowName(row: number): string {
  const letter = String.fromCharCode(65 + (row % 26));
  return row < 26 ? letter : rowName(Math.floor(row / 26) - 1) + letter;
}

/** The seats of the scenario's show. */
export function seatsOf({ seats, seatsPerUser, users }: ScenarioVariables): string[] {
  if (seatsPerUser !== undefined) return seatNames(seatsPerUser * users);
  return typeof seats === 'string' ? seats.split(',') : seatNames(seats ?? 1);
}
