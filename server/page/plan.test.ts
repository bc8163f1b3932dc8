import { describe, expect, it } from 'vitest';
import { arena, theatre } from '../dev/halls.ts';
import { findSeat } from './find.ts';
import { planOf } from './plan.ts';
import { Viewport } from './viewport.ts';
import { neighbour, seatAt, seatsAlong } from './walk.ts';

const plan = planOf({ id: 'demo', name: 'Demo', seats: theatre() });
const index = (id: string) => plan.indexOf.get(id) ?? -1;
const idOf = (seat: number | undefined) => (seat === undefined ? undefined : plan.seats[seat]?.id);
const place = (id: string) => plan.seats[index(id)] ?? { x: Number.NaN, y: Number.NaN };

describe('a plan', () => {
  it('keeps the layout, with neighbours one apart, in whatever unit it was drawn', () => {
    const inMetres = theatre().map((seat) => ({
      ...seat,
      x: (seat.x ?? 0) * 0.55 - 90,
      y: (seat.y ?? 0) * 0.55,
    }));
    const other = planOf({ id: 'm', name: 'M', seats: inMetres });
    expect(other.width).toBeCloseTo(plan.width, 1);
    const [a, b] = [place('C8'), place('C9')];
    expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeCloseTo(1, 1);
    expect(plan.rows.map(({ label }) => label).join('')).toBe('ABCDEFGHIJ');
    expect(plan.seats[index('C8')]?.name).toBe('Stalls, row C, seat 8');
    expect(plan.sections.map(({ label }) => label)).toEqual(['Stalls', 'Circle']);
  });

  it('makes places where there are none, no two in one', () => {
    const lists = [
      ['A1', 'A2', 'A3', 'B1', 'B2'].map((id) => ({ id })),
      Array.from({ length: 20_000 }, (_, i) => ({ id: `s${i}` })),
      Array.from({ length: 300 }, (_, i) => ({ id: `A${i + 1}`, section: i < 150 ? 'Left' : 'Right' })),
      [
        { id: 'x', row: 'A', number: 2 },
        { id: 'y', row: 'A', number: 1 },
        { id: 'z', x: 3, y: 4 },
      ],
    ];
    for (const seats of lists) {
      const made = planOf({ id: 'a', name: 'A', seats });
      const places = new Set(made.seats.map(({ x, y }) => `${x} ${y}`));
      expect(places.size).toBe(seats.length);
      expect(made.width / made.height).toBeLessThan(8);
    }
    const rows = planOf({ id: 'a', name: 'A', seats: lists[0] ?? [] });
    expect(rows.seats.map(({ row }) => row)).toEqual([0, 0, 0, 1, 1]);
  });

  it('has room for the largest hall, and for none', () => {
    const large = planOf({ id: 'arena', name: 'Arena', seats: arena() });
    expect(large.seats).toHaveLength(20_000);
    expect(new Set(large.rows.flatMap(({ seats }) => seats)).size).toBe(20_000);
    expect(planOf({ id: 'none', name: 'None', seats: [] }).seats).toEqual([]);
  });
});

describe('a walk through a plan', () => {
  it('goes along rows, and across aisles and sections', () => {
    expect(idOf(neighbour(plan, index('C5'), 'right'))).toBe('C6');
    expect(idOf(neighbour(plan, index('C1'), 'rowEnd'))).toBe('C20');
    expect(idOf(neighbour(plan, index('F10'), 'down'))).toBe('G10');
    expect(idOf(neighbour(plan, index('G10'), 'up'))).toBe('F10');
    expect(idOf(neighbour(plan, index('A1'), 'up'))).toBe('A1');
    expect(idOf(neighbour(plan, index('J20'), 'first'))).toBe('A1');
  });

  it('reaches every seat of an arena', () => {
    const large = planOf({ id: 'arena', name: 'Arena', seats: arena().filter(({ row }) => row === '1') });
    const seen = new Set([0]);
    for (const seat of seen)
      for (const step of ['left', 'right', 'up', 'down'] as const) seen.add(neighbour(large, seat, step));
    expect(seen.size).toBe(large.seats.length);
  });

  it('hits what is under a point, and all that is on the way', () => {
    const { x, y } = place('D7');
    expect(idOf(seatAt(plan, { x: x + 0.3, y: y - 0.3 }))).toBe('D7');
    expect(seatAt(plan, { x: x + 40, y })).toBeUndefined();
    expect(seatsAlong(plan, place('D7'), place('D9')).map(idOf)).toEqual(['D7', 'D8', 'D9']);
  });

  it('finds a seat by what people call it', () => {
    for (const text of ['D7', 'd-7', 'D 7', 'Row D, seat 7', 'stalls row d seat 7'])
      expect(idOf(findSeat(plan, text))).toBe('D7');
    expect(findSeat(plan, 'Z9')).toBeUndefined();
    expect(findSeat(plan, ' ')).toBeUndefined();
  });
});

describe('a view of a plan', () => {
  const screen = { width: 800, height: 600 };
  const insets = { top: 0, bottom: 60 };
  const corners = [
    { x: 0, y: 0 },
    { x: plan.width, y: plan.height },
  ] as const;

  it('shows all of it until it is moved, clear of what lies over the edges', () => {
    const view = new Viewport(plan);
    for (const size of [screen, { width: 320, height: 480 }]) {
      view.resize(size, insets);
      const [from, to] = corners.map((corner) => view.toScreen(corner));
      expect(Math.min(from?.x ?? -1, from?.y ?? -1)).toBeGreaterThanOrEqual(-0.01);
      expect(to?.x).toBeLessThanOrEqual(size.width + 0.01);
      expect(to?.y).toBeLessThanOrEqual(size.height - insets.bottom + 0.01);
    }
  });

  it('zooms around a point, and cannot be lost', () => {
    const view = new Viewport(plan);
    view.resize(screen, insets);
    const at = { x: 300, y: 200 };
    const fixed = view.toPlan(at);
    view.zoom(1.3, at);
    expect(view.toScreen(fixed).x).toBeCloseTo(at.x);
    expect(view.toScreen(fixed).y).toBeCloseTo(at.y);
    view.panBy(1e6, -1e6);
    const [from, to] = corners.map((corner) => view.toScreen(corner));
    expect(from?.x).toBeLessThan(screen.width);
    expect(to?.y).toBeGreaterThan(0);
    view.zoom(1e9, at);
    expect(view.scale).toBeLessThan(100);
    view.zoom(1e-9, at);
    expect(view.scale).toBeGreaterThan(0.5);
  });

  it('reveals a seat that is off the screen, large enough to be seen', () => {
    const large = planOf({ id: 'arena', name: 'Arena', seats: arena() });
    const view = new Viewport(large);
    view.resize(screen, insets);
    for (const seat of [large.seats[0], large.seats.at(-1)]) {
      if (seat === undefined) continue;
      view.reveal(seat);
      const { x, y } = view.toScreen(seat);
      expect(x > 0 && x < screen.width && y > 0 && y < screen.height).toBe(true);
      expect(view.scale).toBeGreaterThan(10);
    }
  });
});
