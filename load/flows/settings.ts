import { z } from 'zod';

const count = z.coerce.number().int().min(0);

/** The variables of a scenario's YAML, after its quick form and the flags have had their say. Times in ms, unless named. */
export const scenarioVariables = z.strictObject({
  /** How many seats, or their names. Not needed beside `seatsPerUser`. */
  seats: z.union([z.int().min(1), z.string().regex(/^[\w,-]+$/)]).optional(),
  seatsPerUser: count.optional(),
  users: count.min(1),
  rampPerS: z.coerce.number().positive(),
  /** From the first arrival until nobody begins anything new. */
  runS: z.coerce.number().positive(),
  ttlMs: count,
  /** How long a holder keeps a seat, on average. */
  keepMs: count.default(0),
  /** Between hold and confirm, on average. */
  thinkMs: count.default(0),
  /** Between two tries for a seat that is taken, on average. */
  pollMs: count.default(500),
  /** How often the liar deletes a lock, on average; 0: nobody lies. */
  lieEveryMs: count.default(0),
  buyers: count.default(0),
  /** Between two storms. */
  everyMs: count.default(0),
  /** When the unpaid leases end, from the first arrival. */
  waveMs: count.default(0),
});
export type ScenarioVariables = z.infer<typeof scenarioVariables>;

/** What the flows get on top: the variables of a run travel through Artillery's command line. */
export const flowVariables = z.object({
  ...scenarioVariables.shape,
  showId: z.string(),
  $env: z.object({
    ROWLOCK_TARGET: z.string(),
    ROWLOCK_HISTORY: z.string(),
    /** Without it nobody can refund. */
    ROWLOCK_ADMIN_TOKEN: z.string().optional(),
  }),
});
export type FlowVariables = z.infer<typeof flowVariables>;

const SEATS_PER_ROW = 50;

/** A1 … A50, B1 …, Z50, AA1 …: the best ones first. */
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

/** The seats of the show that a scenario is played in. */
export function seatsOf({ seats, seatsPerUser, users }: ScenarioVariables): string[] {
  if (seatsPerUser !== undefined) return seatNames(seatsPerUser * users);
  return typeof seats === 'string' ? seats.split(',') : seatNames(seats ?? 1);
}
