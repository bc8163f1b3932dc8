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

/** The write-ahead log moves to a small disk of its own; gives back how it moves home. Nothing has moved when it rejects. */
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

/** After each move how it is taken back, however far the next ones come. */
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
  // One that did not come up may be halted too.
  moves.opened(postgres, (it) => it.halt());
  await postgres.startAgain(smallWal);
}

/** Fills the disk until Postgres cannot write; resolves to whether it could not. Then there is room again. */
export async function fillWalDisk({ ground, moment }: Scene): Promise<boolean> {
  const { postgres } = ground;
  const filler = join(placesOf(ground).disk, 'filler');
  // Ends when nothing more fits.
  await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M']).catch(() => undefined);
  const wrote = await writesOn(postgres);
  const died = await inTime(postgres.exited, moment.lengthMs);
  await run('rm', ['-f', filler]);
  // In the middle of a recovery that failed it is deaf to a friendly word for ten seconds.
  if (died || !(await succeeds(postgres.query('SELECT 1')))) await postgres.dieAndReturn();
  await postgres.query('DROP TABLE IF EXISTS disk_probe');
  return !wrote;
}

/** What was laid out beforehand is used up first. */
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
