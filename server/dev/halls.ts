import type { SeatLayout } from '../../protocol/index.ts';

/* Halls that are worth looking at. Neighbours are 1 apart; the stage is above, and rows curve around it. */

const round = (value: number) => Math.round(value * 100) / 100;

const ROWS = [...'ABCDEFGHIJ'];
const SEATS_PER_ROW = 20;
/** The circle begins behind this many rows of stalls. */
const STALLS = 6;
const AISLES = { after: [5, 15], width: 0.9 };

/** 200 seats, A1 to J20: stalls and a circle behind them, each with two aisles. */
export function theatre(): SeatLayout[] {
  return ROWS.flatMap((row, r) => {
    const inCircle = r >= STALLS;
    const radius = 27 + r * 1.15 + (inCircle ? 2 : 0);
    const width = SEATS_PER_ROW - 1 + AISLES.after.length * AISLES.width;
    return Array.from({ length: SEATS_PER_ROW }, (_, i) => {
      const aisles = AISLES.after.filter((seat) => i >= seat).length;
      const angle = (i + aisles * AISLES.width - width / 2) / radius;
      const x = round(radius * Math.sin(angle));
      const y = round(radius * Math.cos(angle));
      return { id: `${row}${i + 1}`, section: inCircle ? 'Circle' : 'Stalls', row, number: i + 1, x, y };
    });
  });
}

/** An oval is two straights and two half circles: rows further out are longer by their half circles alone. */
const STRAIGHT = 47;
const BLOCKS_PER_TIER = 24;
const AISLE = 1.6;
const TIERS = [
  { name: 1, radius: 34, rows: 20 },
  { name: 2, radius: 57, rows: 18 },
  { name: 3, radius: 78, rows: 8 },
];
const ARENA_SEATS = 20_000;

/** Exactly 20 000 seats in blocks 101 to 324, around the floor of an arena. */
export function arena(): SeatLayout[] {
  const seats: SeatLayout[] = [];
  // Row by row, so that what is cut off is the end of the last row.
  for (const tier of TIERS) {
    for (let r = 0; r < tier.rows; r += 1) {
      for (let block = 0; block < BLOCKS_PER_TIER; block += 1) {
        const section = `${tier.name}${String(block + 1).padStart(2, '0')}`;
        seats.push(...blockRow(section, block, r, tier.radius + r));
      }
    }
  }
  return seats.slice(0, ARENA_SEATS);
}

function blockRow(section: string, block: number, r: number, radius: number): SeatLayout[] {
  const length = 2 * STRAIGHT + 2 * Math.PI * radius;
  const share = length / BLOCKS_PER_TIER;
  const count = Math.floor(share - AISLE) + 1;
  const row = String(r + 1);
  return Array.from({ length: count }, (_, i) => {
    const at = (block + 0.5) * share + i - (count - 1) / 2;
    return { id: `${section}-${row}-${i + 1}`, section, row, number: i + 1, ...onOval(at, radius) };
  });
}

/** The point that is so far along the oval, clockwise from the left end of its upper straight. */
function onOval(at: number, radius: number): { x: number; y: number } {
  const half = Math.PI * radius;
  if (at < STRAIGHT) return { x: round(at - STRAIGHT / 2), y: round(-radius) };
  if (at < STRAIGHT + half) return turn(STRAIGHT / 2, (at - STRAIGHT) / radius - Math.PI / 2, radius);
  if (at < 2 * STRAIGHT + half) return { x: round(STRAIGHT / 2 - (at - STRAIGHT - half)), y: round(radius) };
  return turn(-STRAIGHT / 2, (at - 2 * STRAIGHT - half) / radius + Math.PI / 2, radius);
}

const turn = (centre: number, angle: number, radius: number) => ({
  x: round(centre + radius * Math.cos(angle)),
  y: round(radius * Math.sin(angle)),
});
