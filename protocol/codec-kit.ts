/** For tests of the codec: frames of clients as text, each with what is to be changed in it. */
export const uuid = '0198a3c4-7e1d-7c52-b1f0-6d2e8a9b0c1d';

export function hold(changes: Record<string, unknown>): string {
  return JSON.stringify({ type: 'hold', id: '7', showId: 'demo', seatIds: ['A-1'], ...changes });
}
export function confirm(changes: Record<string, unknown>): string {
  return JSON.stringify({
    type: 'confirm',
    id: '7',
    showId: 'demo',
    seatIds: ['A-1'],
    requestId: uuid,
    ...changes,
  });
}
export function hello(changes: Record<string, unknown>): string {
  return JSON.stringify({ type: 'hello', id: '7', ...changes });
}
export const seats = (count: number): string[] => Array.from({ length: count }, (_, index) => `S${index}`);
