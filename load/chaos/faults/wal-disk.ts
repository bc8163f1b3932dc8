import { join } from 'node:path';
import { Closers } from '../../../server/closers.ts';
import { run } from '../../../server/dev/process.ts';
import type { Ground } from '../ground/ground.ts';
import type { Scene } from './fault.ts';
import { mountSmallDisk } from './privileges.ts';
import { inTime } from './wait.ts';

const WAL_MIB = 160;
const smallWal = { min_wal_size: '32MB', max_wal_size: '64MB' };

const placesOf = ({ postgres }: Ground) => ({
  wal: join(postgres.dataDir, 'pg_wal'),
  disk: join(postgres.dataDir, '..', 'wal-disk'),
});

/** Moves the write-ahead log to a small disk. Resolves with a function that moves it back. If it rejects, nothing has moved. */
export async function walOnSmallDisk(ground: Ground): Promise<() => Promise<void>> {
  const moves = new Closers();
  try {
    await moveOut(ground, moves);
    return () => moves.close();
  } catch (error) {
    await moves.close();
    throw error;
  }
}

/** Registers after each step how to undo it, so that the whole can be undone if a later step fails. */
async function moveOut(ground: Ground, moves: Closers): Promise<void> {
  const { postgres } = ground;
  const { wal, disk } = placesOf(ground);
  const home = `${wal}.home`;
  const onDisk = join(disk, 'pg_wal');
  await postgres.halt();
  moves.opened(postgres, (it) => it.startAgain());
  await run('mkdir', ['-p', disk]);
  await mountSmallDisk(disk, WAL_MIB);
  moves.opened(disk, (it) => run('umount', [it]));
  await run('cp', ['-a', wal, `${disk}/`]);
  await run('chown', ['--reference', postgres.dataDir, disk, onDisk]);
  await run('mv', [wal, home]);
  moves.opened(home, (it) => run('mv', [it, wal]));
  await run('ln', ['-s', onDisk, wal]);
  moves.opened(wal, async (link) => {
    await run('rm', ['-r', link, home]);
    await run('cp', ['-a', onDisk, home]);
  });
  // Registered first: it may also be halted if it does not start.
  moves.opened(postgres, (it) => it.halt());
  await postgres.startAgain(smallWal);
}

/** Fills the disk until PostgreSQL cannot write, and then frees it again. Resolves with whether PostgreSQL could not write. */
export async function fillWalDisk({ ground, moment }: Scene): Promise<boolean> {
  const { postgres } = ground;
  const filler = join(placesOf(ground).disk, 'filler');
  // Ends when the disk is full.
  await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M']).catch(() => undefined);
  const wrote = await writesOn(postgres);
  const died = await inTime(postgres.exited, moment.lengthMs);
  await run('rm', ['-f', filler]);
  // Killed, because after a recovery that failed it would ignore a normal shutdown for ten seconds.
  if (died || !(await succeeds(postgres.query('SELECT 1')))) await postgres.dieAndReturn();
  await postgres.query('DROP TABLE IF EXISTS disk_probe');
  return !wrote;
}

/** Whether PostgreSQL can write. Tried several times, because at first it uses space that it has already allocated. */
async function writesOn(postgres: Ground['postgres']): Promise<boolean> {
  const write = async () => {
    await postgres.query('CREATE TABLE IF NOT EXISTS disk_probe (n int)');
    await postgres.query('INSERT INTO disk_probe VALUES (1)');
    await postgres.query('SELECT pg_switch_wal()');
  };
  for (let i = 0; i < 20; i++) if (!(await succeeds(write()))) return false;
  return true;
}

const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );
