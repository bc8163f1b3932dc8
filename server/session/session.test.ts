import { expect, it } from 'vitest';
import { Broadcaster } from '../broadcast/broadcaster.ts';
import type { Show } from '../catalogue/catalogue.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { FollowedShow } from '../seatmap/followed-show.ts';
import { SeatMap } from '../seatmap/seat-map.ts';
import { Sender } from './sender.ts';
import { Session } from './session.ts';

const show: Show = {
  id: 's',
  name: 's',
  createdAtMs: 0,
  seats: [{ id: 'A1' }],
  seatIds: ['A1'],
  seatIndex: new Map([['A1', 0]]),
  etag: '""',
};

function stage() {
  const followed = { showId: 's', map: new SeatMap(show, 'e', 0, [], []) };
  const seatMaps = {
    interests: 0,
    follow() {
      this.interests += 1;
      // Nothing of it is used here but what watchers are told of.
      return followed as unknown as FollowedShow;
    },
    unfollow() {
      this.interests -= 1;
    },
  };
  const socket = {
    cork: () => {
      throw new Error('one reply at a time');
    },
    send: () => 1,
    subscribe: () => true,
    unsubscribe: () => true,
    getBufferedAmount: () => 0,
    end: () => {},
  };
  const sender = new Sender(socket, new Broadcaster(() => {}, 25), createMetrics());
  const session = new Session({ token: 't', conn: 1, userId: 'u' }, sender, seatMaps);
  return { session, sender, seatMaps, followed };
}

it('keeps a show that a watch still waits for, though a hold beside it was refused', () => {
  const { session, sender, seatMaps, followed } = stage();
  session.follow(show);
  session.follow(show);
  expect(seatMaps.interests).toBe(1);
  session.unfollow('s');
  expect(seatMaps.interests).toBe(1);
  sender.watch(followed, 'r1', undefined);
  session.unfollow('s');
  expect(seatMaps.interests).toBe(1);
  sender.unwatch('s');
  session.tidy('s');
  expect(seatMaps.interests).toBe(0);
});

it('gives a show back as soon as nothing needs it, whatever goes on in others', () => {
  const { session, seatMaps } = stage();
  session.follow(show);
  session.follow({ ...show, id: 'other' });
  expect(seatMaps.interests).toBe(2);
  session.unfollow('s');
  expect(seatMaps.interests).toBe(1);
  session.tidy('other');
  expect(seatMaps.interests).toBe(1);
  session.unfollow('other');
  session.tidy('other');
  expect(seatMaps.interests).toBe(0);
});

it('gives everything back once when its socket is gone, also what a late frame follows', async () => {
  const { session, seatMaps } = stage();
  session.follow(show);
  await session.finish();
  expect(seatMaps.interests).toBe(0);
  session.unfollow('s');
  session.follow(show);
  session.unfollow('s');
  expect(seatMaps.interests).toBe(0);
});
