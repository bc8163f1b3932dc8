import type { Point } from './geometry.ts';
import type { Plan } from './plan.ts';

/** How far from its middle a seat is still hit, in units of the plan. */
const REACH = 0.5;

/**
 * The seat at this point. It looks at all of them: twenty thousand take some 30 µs, an index would save nothing that
 * anybody could feel.
 */
export function seatAt({ seats }: Plan, { x, y }: Point, reach = REACH): number | undefined {
  let found: number | undefined;
  let best = reach;
  for (let i = 0; i < seats.length; i += 1) {
    const seat = seats[i];
    if (seat === undefined) continue;
    const distance = Math.max(Math.abs(seat.x - x), Math.abs(seat.y - y));
    if (distance >= best) continue;
    best = distance;
    found = i;
  }
  return found;
}

/** The seats on the straight line between two points, in its order: a fast pointer tells of few places on its way. */
export function seatsAlong(plan: Plan, from: Point, to: Point): number[] {
  const steps = Math.min(400, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / 0.3));
  const found = new Set<number>();
  for (let step = 0; step <= steps; step += 1) {
    const part = steps === 0 ? 1 : step / steps;
    const seat = seatAt(plan, { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part });
    if (seat !== undefined) found.add(seat);
  }
  return [...found];
}

export type Step = 'left' | 'right' | 'up' | 'down' | 'rowStart' | 'rowEnd' | 'first' | 'last';

/** Where the keyboard goes from a seat; the same seat when there is nothing that way. */
export function neighbour(plan: Plan, from: number, step: Step): number {
  const row = plan.rows[plan.seats[from]?.row ?? 0]?.seats ?? [];
  const place = row.indexOf(from);
  switch (step) {
    case 'left':
      return row[place - 1] ?? nearest(plan, from, { x: -1, y: 0 }) ?? from;
    case 'right':
      return row[place + 1] ?? nearest(plan, from, { x: 1, y: 0 }) ?? from;
    case 'up':
      return nearest(plan, from, { x: 0, y: -1 }) ?? from;
    case 'down':
      return nearest(plan, from, { x: 0, y: 1 }) ?? from;
    case 'rowStart':
      return row[0] ?? from;
    case 'rowEnd':
      return row.at(-1) ?? from;
    case 'first':
      return plan.rows[0]?.seats[0] ?? from;
    case 'last':
      return plan.rows.at(-1)?.seats.at(-1) ?? from;
  }
}

/** The closest seat of another row in a direction; what is beside the way counts as further than what is on it. */
function nearest({ seats }: Plan, from: number, { x, y }: Point): number | undefined {
  const here = seats[from];
  if (here === undefined) return undefined;
  let found: number | undefined;
  let best = Number.POSITIVE_INFINITY;
  seats.forEach((seat, i) => {
    if (seat.row === here.row) return;
    const dx = seat.x - here.x;
    const dy = seat.y - here.y;
    const ahead = dx * x + dy * y;
    const beside = Math.abs(dx * y) + Math.abs(dy * x);
    if (ahead < 0.4 || beside > ahead * 2 + 1) return;
    const cost = ahead + 2 * beside;
    if (cost >= best) return;
    best = cost;
    found = i;
  });
  return found;
}
