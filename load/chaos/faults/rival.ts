import { setTimeout as pause } from 'node:timers/promises';
import type { ServerFrame } from '../../../protocol/index.ts';
import { createShow } from '../ground/ground.ts';
import type { ServerStand } from '../ground/server-stand.ts';
import { orderOf } from '../players/promises.ts';
import type { Scene } from './fault.ts';
import { Guest } from './guest.ts';

const SEATS = ['S0', 'S1'];
const ASK_AGAIN_MS = 20;

/**
 * Somebody holds seats on one server, which is then paused for longer than the leases last. A rival books the seats on the other
 * server. When the first server goes on, the first frames that it reads are those that the owner has sent meanwhile: it must
 * neither renew nor confirm what is lost.
 * @returns whether the rival has booked
 */
export async function robWhilePaused(
  scene: Scene,
  asleep: ServerStand,
  awake: ServerStand,
): Promise<boolean> {
  const { recorder, moment } = scene;
  const showId = `robbed-${moment.seed}`;
  await createShow(scene.ground, showId, SEATS.length);
  const owner = await Guest.join(recorder, asleep.ws, `owner-${moment.seed}`);
  const rival = await Guest.join(recorder, awake.ws, `rival-${moment.seed}`);
  const held = await owner.ask({ type: 'hold', showId, seatIds: SEATS });
  asleep.signal('SIGSTOP');
  const beat = owner.ask({ type: 'heartbeat' });
  const confirm = owner.ask(orderOf(showId, SEATS));
  const booking = book(rival, showId, performance.now() + moment.lengthMs);
  await pause(moment.lengthMs);
  asleep.signal('SIGCONT');
  const booked = await booking;
  const robbed = held?.type === 'held' && booked;
  if (robbed) judgeOwner(scene, await beat, await confirm);
  await Promise.all([beat, confirm]);
  await Promise.all([owner.leave(), rival.leave()]);
  return robbed;
}

/** Books the seats as soon as they are free. */
async function book(rival: Guest, showId: string, untilMs: number): Promise<boolean> {
  while (performance.now() < untilMs) {
    const reply = await rival.ask({ type: 'hold', showId, seatIds: SEATS });
    if (reply?.type === 'held') return (await rival.ask(orderOf(showId, SEATS)))?.type === 'confirmed';
    await pause(ASK_AGAIN_MS);
  }
  return false;
}

function judgeOwner(scene: Scene, beat: ServerFrame | undefined, confirm: ServerFrame | undefined): void {
  if (beat?.type === 'renewed' && beat.leases.length > 0)
    scene.problem('a server that was stopped renewed leases of seats that a rival has booked');
  if (confirm?.type === 'confirmed')
    scene.problem('a server that was stopped confirmed seats that a rival has booked');
}
