import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { run, ServiceError, type User } from './process.ts';

/*
 * PostgreSQL refuses to run as root. Started by root it runs as somebody else, and that user must be able
 * to reach its programs and its data, which a project under /root, say, does not allow. What cannot be
 * reached where it is goes to a directory that everybody may enter.
 */
const publicDir = '/var/lib/rowlock';

/**
 * The user that PostgreSQL runs as, undefined when that is simply us: whoever owns the place where the data
 * is kept, so that a start with sudo does not lock its owner out, else a system user.
 */
export async function userFor(dataDir: string): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { uid } = await stat(await nearestExisting(dataDir));
  const owner = uid === 0 ? undefined : await lookUp(String(uid));
  return owner ?? (await systemUser());
}

async function systemUser(): Promise<User> {
  for (const name of ['postgres', '_postgres']) {
    const user = await lookUp(name);
    if (user) return user;
  }
  const shell = ['--shell', '/usr/sbin/nologin'];
  await run('useradd', ['--system', '--user-group', '--no-create-home', ...shell, 'postgres'])
    .catch(() => run('adduser', ['-S', '-D', '-H', 'postgres']))
    // Another start may have created it meanwhile: what counts is whether it is there.
    .catch(() => undefined);
  const user = (await lookUp('postgres')) ?? (await lookUp('nobody'));
  if (user) return user;
  throw new ServiceError('PostgreSQL cannot run as root, and no user to run it as could be created');
}

async function lookUp(user: string): Promise<User | undefined> {
  try {
    // By name: initdb asks for the name, and refuses a number that has none.
    const name = (await run('id', ['-un', user])).stdout.trim();
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/**
 * The directory of the programs (bin, lib, share) that the user can run: the given one, or a copy.
 * Copies are told apart by the version, and appear whole or not at all.
 */
export async function reachablePrograms(
  native: string,
  version: string,
  user: User | undefined,
): Promise<string> {
  const runs = (dir: string) =>
    run(join(dir, 'bin', 'postgres'), ['--version'], { ...user, cwd: '/' }).then(
      () => true,
      () => false,
    );
  if (await runs(native)) return native;
  if (!user) {
    await makeExecutable(native).catch(() => undefined);
    if (await runs(native)) return native;
    throw new ServiceError(`the embedded PostgreSQL in ${native} cannot be run: try "npm run setup"`);
  }

  const copy = join(publicDir, `postgresql-${version}-${process.platform}-${process.arch}`);
  if (await runs(copy)) return copy;
  await copyPrograms(native, copy);
  if (await runs(copy)) return copy;
  throw new ServiceError(`the embedded PostgreSQL copied to ${copy} cannot be run`);
}

async function copyPrograms(native: string, copy: string): Promise<void> {
  await makePublicDir();
  const staging = `${copy}.${randomBytes(4).toString('hex')}`;
  const wanted = (path: string) => !/\.a$|\/pkgconfig$/.test(path);
  try {
    await cp(native, staging, { recursive: true, verbatimSymlinks: true, filter: wanted });
    await run('chmod', ['-R', 'a+rX,go-w', staging]);
    await makeExecutable(staging);
    await rename(staging, copy);
  } catch (error) {
    // Another start may have been quicker: then the copy is there, and the caller finds it.
    await rm(staging, { recursive: true, force: true });
    if (!(await exists(copy))) throw error;
  }
}

/** npm keeps the mode of files only where a package calls them programs. */
async function makeExecutable(native: string): Promise<void> {
  const bin = join(native, 'bin');
  for (const program of await readdir(bin)) await chmod(join(bin, program), 0o755);
}

/**
 * Where the data really is: the given directory, or, when the user cannot get there, one that it links to.
 * The link is what says which one belongs to this project: it moves with the project, and without it the
 * data starts anew.
 */
export async function reachableDataDir(dataDir: string, user: User | undefined): Promise<string> {
  const there = await exists(dataDir);
  await mkdir(dirname(dataDir), { recursive: true });
  const parent = await realpath(dirname(dataDir));
  const wanted = there ? await realpath(dataDir) : join(parent, basename(dataDir));
  if (!user || (await canEnter(there ? wanted : parent, user))) return wanted;

  await makePublicDir();
  const elsewhere = join(publicDir, `data-${randomBytes(8).toString('hex')}`);
  if (there) {
    await run('mv', [wanted, elsewhere]);
  } else {
    await mkdir(elsewhere, { mode: 0o700 });
    await chown(elsewhere, user.uid, user.gid);
  }
  await rm(dataDir, { force: true }); // a link whose target is gone
  await symlink(elsewhere, dataDir);
  return elsewhere;
}

function canEnter(dir: string, user: User): Promise<boolean> {
  return run('/bin/sh', ['-c', 'cd -- "$1"', 'enter', dir], { ...user, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

async function makePublicDir(): Promise<void> {
  await mkdir(publicDir, { recursive: true });
  const { uid } = await lstat(publicDir);
  if (uid !== 0) throw new ServiceError(`${publicDir} does not belong to root: remove it`);
  await chmod(publicDir, 0o755);
}

async function nearestExisting(path: string): Promise<string> {
  return (await exists(path)) ? path : nearestExisting(dirname(path));
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
