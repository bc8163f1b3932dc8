/** Seats S0, S1, … */
export const seatIdsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `S${i}`);
