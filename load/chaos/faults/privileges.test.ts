import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../../../server/dev/process.ts';
import { cannotLayCable, cannotMount } from './privileges.ts';

const WITHOUT = ['--bounding-set', '-sys_admin,-net_admin'];
const mayGiveUpRights = await run('setpriv', [...WITHOUT, 'true']).then(
  () => true,
  () => false,
);

it('who may not mount a disk or lay a cable is told why', async () => {
  const told = [await cannotMount(), await cannotLayCable()];
  for (const why of told)
    expect(why ?? 'we can').toMatch(/^we can(not (mount a disk|lay a cable) here: \S.*)?$/);
});

/** In ordinary containers root lacks the rights, too. */
it.runIf(mayGiveUpRights)('root without the rights is not taken for one who has them', async () => {
  const chaos = fileURLToPath(new URL('../chaos.ts', import.meta.url));
  const asked = ['--can', 'wal-disk-full', 'half-open', 'redis-killed'];
  const command = [process.execPath, '--import', 'tsx', chaos, ...asked];
  const { stdout, stderr } = await run('setpriv', [...WITHOUT, ...command]);
  expect(stdout).toBe('redis-killed\n');
  expect(stderr).toMatch(
    /^wal-disk-full: we cannot mount a disk here: .+\nhalf-open: we cannot lay a cable here: .+\n$/,
  );
});
