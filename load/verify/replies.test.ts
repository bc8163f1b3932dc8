import { describe, expect, it } from 'vitest';
import { kindsOf, renewed, type Sent, type Story, two } from './history-kit.ts';

const beat: Sent = { type: 'heartbeat' };
/** A frame at 100 ms that is never answered. */
const unanswered = () => two().ask(1, 100, 0, beat);

describe('a reply must come', () => {
  it.each<[string, Story]>([
    ['while others go on', unanswered().ask(2, 20_000, 20_001, beat, renewed([]))],
    ['before its client gives up and goes', unanswered().closing(1, 10_100).close(1, 10_150)],
    ['before its socket is lost', unanswered().close(1, 10_100, 1006)],
    ['whatever happens to the stores', unanswered().struck(90, 9_000, ['leases']).close(1, 10_100)],
  ])('%s', async (_, story) => {
    expect(await kindsOf(story)).toEqual(['no_reply']);
  });

  it.each<[string, Story]>([
    ['its socket was closed too soon', unanswered().close(1, 200)],
    ['its client left too soon, and its goodbye took long', unanswered().closing(1, 200).close(1, 10_200)],
    ['the run is over too soon', unanswered().ask(2, 5_000, 5_001, beat, renewed([]))],
    ['its cable was pulled', unanswered().struck(90, 9_000, ['sockets']).close(1, 10_100)],
  ])('unless %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });
});

it('a reply comes once, to a frame that was sent', async () => {
  const story = two();
  const frame = { type: 'renewed', id: 'x', leases: [], lost: [] } as const;
  story.lines.push({ kind: 'return', ms: 50, client: 'c1', frame: { ...frame, leases: [], lost: [] } });
  expect(await kindsOf(story)).toEqual(['stray_reply']);
});
