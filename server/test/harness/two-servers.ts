import { openStage, type TestApp, type TestStage, type Variables } from './app-kit.ts';
import { Backdoor } from './backdoor.ts';
import { Crowd, type Guest } from './crowd.ts';

/** Two servers on one Redis and one Postgres, and the clients of both. `close` ends all of it. */
export interface TwoServers extends TestStage {
  readonly app: TestApp;
  readonly other: TestApp;
  readonly backdoor: Backdoor;
  readonly crowd: Crowd;
  /** A new show in which a new client, of the first server unless it says otherwise, holds A1 and A2, seen from the other server. */
  scene(showId: string, url?: string): Promise<Scene>;
  /** The session of this client goes on at this server, with these leases. */
  resume(url: string, client: Guest, showId: string, seatIds?: readonly string[]): Promise<Guest>;
}

export interface Scene {
  readonly showId: string;
  readonly holder: Guest;
  readonly watcher: Guest;
}

/** @param variables of the first server; the other has the defaults */
export async function openTwoServers(variables: Variables = {}): Promise<TwoServers> {
  const stage = await openStage();
  const [app, other] = await Promise.all([stage.start(variables), stage.start()]);
  const [backdoor, crowd] = [new Backdoor(stage), new Crowd()];
  return {
    ...stage,
    ...{ app, other, backdoor, crowd },
    scene: async (showId, url = app.url) => {
      await stage.createShow(showId);
      const [holder, watcher] = await Promise.all([crowd.join(url), crowd.watch(other.url, showId)]);
      await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
      await watcher.untilSeat(showId, 'A2', 'held');
      return { showId, holder, watcher };
    },
    resume: (url, { session, userId }, showId, seatIds = ['A1', 'A2']) =>
      crowd.join(url, { session, userId, leases: [{ showId, seatIds: [...seatIds] }] }),
    close: async () => {
      await crowd.leave();
      await backdoor.close();
      await stage.close();
    },
  };
}
