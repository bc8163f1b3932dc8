import { describe, expect, it } from 'vitest';
import { Random } from '../random.ts';
import { Stock } from './stock.ts';

const random = new Random(7);

/** All seats that are in demand, found by asking often enough. */
const wanted = (stock: Stock): Set<string> =>
  new Set(Array.from({ length: 5_000 }, () => stock.pick(3, random)).flat());

describe('a stock', () => {
  it('is asked for few seats at a time, each once in a pick', () => {
    const stock = new Stock('show', 1_000);
    expect(wanted(stock).size).toBe(150);
    for (let i = 0; i < 1_000; i++) expect(new Set(stock.pick(4, random)).size).toBe(4);
  });

  it('goes on to another seat for each that was sold, whatever is kept', () => {
    const stock = new Stock('show', 1_000);
    // All but the first seat are sold: somebody keeps that one.
    for (let seat = 1; seat < 800; seat++) stock.sold(`S${seat}`);
    const left = wanted(stock);
    expect(left).toContain('S0');
    expect([...left].filter((seatId) => Number(seatId.slice(1)) < 800)).toEqual(['S0']);
    expect(left.size).toBe(150);
  });

  it('begins again when all were sold, for what was given back', () => {
    const stock = new Stock('show', 400);
    for (let turn = 0; turn < 3; turn++) for (const seatId of wanted(stock)) stock.sold(seatId);
    expect(wanted(stock).size).toBe(150);
  });

  it('is never asked for what is reserved, however far demand has come', () => {
    const stock = new Stock('show', 400);
    for (let turn = 0; turn < 60; turn++) {
      const before = wanted(stock);
      const reserved = stock.reserve(10);
      for (const seatId of before) stock.sold(seatId);
      const after = wanted(stock);
      expect(reserved.filter((seatId) => after.has(seatId))).toEqual([]);
      expect(after.size).toBe(150);
    }
  });
});
