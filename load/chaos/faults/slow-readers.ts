import { createShow } from '../ground/ground.ts';
import { judgeOthers } from '../judge.ts';
import { CALM_MS } from '../players/pace.ts';
import { READERS } from '../players/slow.ts';
import { type Scene, target } from './fault.ts';

const SLOW = 'rowlock_slow_readers';
const SEATS = 4_000;
/** In one round each reader asks for about 300 kB: a fraction of the unread replies that a server keeps before it closes the socket. */
const MAPS = 10;
/** Many times what the buffers of the kernel hold. */
const MOST_ROUNDS = 200;

/**
 * Some clients do not read while the others are served. How much the kernel holds for a socket differs, so they ask until the
 * server finds all of them slow. If they asked for more, it would close them, and nobody would be slow while the others are
 * measured. @returns whether all were slow until the end
 */
export async function readNothing(scene: Scene): Promise<boolean> {
  const { ground, moment, players } = scene;
  const server = target(scene);
  const areSlow = async () => (await server.metric(SLOW)) >= READERS;
  const show = { id: `slow-${moment.seed}`, seats: SEATS };
  await createShow(ground, show.id, show.seats);
  await players.call('openSlowReaders', { show, server: moment.target });
  try {
    const normal = await players.call('paces', CALM_MS);
    for (let round = 0; round < MOST_ROUNDS && !(await areSlow()); round++)
      await players.call('askWithoutReading', MAPS);
    scene.judged(judgeOthers('holdMs', normal, await players.call('paces', moment.lengthMs)));
    return await areSlow();
  } finally {
    await players.call('readOn');
  }
}
