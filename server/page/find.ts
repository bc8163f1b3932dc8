import type { Plan } from './plan.ts';

const plain = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

const bare = (text: string) => text.split(' ').filter((word) => word !== 'row' && word !== 'seat');

/** The seat that somebody means: by its id, by the end of its name ("C 12"), or by all of it. */
export function findSeat(plan: Plan, wanted: string): number | undefined {
  const text = plain(wanted);
  if (text === '') return undefined;
  const exact = plan.seats.findIndex(({ id, name }) => plain(id) === text || plain(name) === text);
  if (exact >= 0) return exact;
  const words = bare(text);
  const found = plan.seats.findIndex(({ name }) => {
    const own = bare(plain(name));
    return words.every((word, i) => own[own.length - words.length + i] === word);
  });
  return found < 0 ? undefined : found;
}
