import { type Plan, planOf, type ShowLayout } from './plan.ts';

export interface ShowSummary {
  readonly id: string;
  readonly name: string;
  readonly seats: number;
}

const TRIES = 5;
const GIVE_UP_MS = 20_000;

export async function loadShows(): Promise<readonly ShowSummary[]> {
  const answer = await ask('/shows');
  const { shows } = (await answer.json()) as { shows: readonly ShowSummary[] };
  return shows;
}

/** Undefined: called off. */
export async function loadPlan(showId: string, until: AbortSignal): Promise<Plan | undefined> {
  const answer = await ask(`/shows/${encodeURIComponent(showId)}`, until);
  const layout = (await answer.json()) as ShowLayout;
  return until.aborted ? undefined : planOf(layout);
}

/** A server that is being restarted is back in a moment: the page waits for it rather than stay empty. */
async function ask(path: string, until?: AbortSignal): Promise<Response> {
  for (let tried = 1; ; tried += 1) {
    const signal = AbortSignal.any([
      AbortSignal.timeout(GIVE_UP_MS),
      ...(until === undefined ? [] : [until]),
    ]);
    const answer = await fetch(path, { signal }).catch(() => undefined);
    if (answer?.ok) return answer;
    if (answer?.status === 404 || answer?.status === 400) throw new Error('There is no such show here.');
    if (tried === TRIES || until?.aborted)
      throw new Error('The sale cannot be reached right now: reload the page in a moment.');
    await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** tried * Math.random()));
  }
}
