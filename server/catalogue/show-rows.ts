import { z } from 'zod';
import type { SeatLayout } from '../../protocol/index.ts';

const column = <T extends z.ZodType>(element: T) => z.array(element.nullable()).nullable();

/** A row of sql/queries/show.sql: the seats by columns, all of one length; null when there are no seats. */
export const showRow = z.object({
  id: z.string(),
  name: z.string(),
  created_at: z.date(),
  seat_ids: z.array(z.string()).nullable(),
  sections: column(z.string()),
  rows: column(z.string()),
  numbers: column(z.number()),
  xs: column(z.number()),
  ys: column(z.number()),
});

/** What a seat does not have is absent, as on the wire. */
export function seatsOfRow({
  seat_ids,
  sections,
  rows,
  numbers,
  xs,
  ys,
}: z.infer<typeof showRow>): SeatLayout[] {
  return (seat_ids ?? []).map((id, i) => {
    const seat: SeatLayout = { id };
    const [section, row, number, x, y] = [sections?.[i], rows?.[i], numbers?.[i], xs?.[i], ys?.[i]];
    if (section != null) seat.section = section;
    if (row != null) seat.row = row;
    if (number != null) seat.number = number;
    if (x != null) seat.x = x;
    if (y != null) seat.y = y;
    return seat;
  });
}
