/*
 * npm run setup: a Redis server from the system's package manager, then the packages of the lock file.
 * Plain JavaScript without a single import from a package, because it runs before there are any.
 * Safe to repeat; quick when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** In the order of asking; the first one that is on the PATH is used. */
const managers = [
  {
    command: 'apt-get',
    asRoot: true,
    // The package may start a Redis of its own on 6379. We never use that one, so a start that fails, or
    // that a policy forbids, is no failure of ours: redis-server's presence afterwards is what counts.
    install: [['install', '--yes', '--no-install-recommends', 'redis-server']],
    refresh: ['update'],
  },
  { command: 'brew', asRoot: false, install: [['install', 'redis']] },
  {
    command: 'dnf',
    asRoot: true,
    install: [
      ['install', '--assumeyes', 'valkey'],
      ['install', '--assumeyes', 'redis'],
    ],
  },
  {
    command: 'apk',
    asRoot: true,
    install: [
      ['add', '--no-cache', 'redis'],
      ['add', '--no-cache', 'valkey'],
    ],
  },
];

const byHand = 'install Redis 7 or newer, or Valkey, by hand, so that it is on the PATH, and run this again';

checkNode();
installRedis();
installPackages();
say('ready: "npm start" runs the server, "npm test" its tests');

/** uWebSockets.js has its binaries for these only; whoever brings others knows what they do. */
function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: use Node 22`);
  if (major > 22) say(`Node ${process.versions.node} has no uWebSockets.js in the lock file: use Node 22`);
}

function installRedis() {
  const present = redisServer();
  if (present) return say(`Redis: ${present} is there`);

  const manager = managers.find(({ command }) => succeeds(command, ['--version']));
  if (!manager) fail(`there is no apt-get, brew, dnf or apk to install Redis with: ${byHand}`);
  say(`Redis: installing it with ${manager.command}`);
  const tries = manager.refresh ? [...manager.install, manager.refresh, ...manager.install] : manager.install;
  for (const args of tries) {
    runManager(manager, args);
    const installed = redisServer();
    if (installed) return say(`Redis: ${installed} is installed`);
  }
  fail(`${manager.command} could not (its output is above): ${byHand}`);
}

function redisServer() {
  return ['redis-server', 'valkey-server'].find((command) => succeeds(command, ['--version']));
}

/** Without questions: there may be nobody to answer them. */
function runManager({ command, asRoot }, args) {
  const words = [command, ...args];
  if (command === 'apt-get') words.unshift('env', 'DEBIAN_FRONTEND=noninteractive');
  if (asRoot && process.getuid?.() !== 0) {
    if (!succeeds('sudo', ['--version'])) {
      fail(
        `installing Redis needs root and there is no sudo: run "${words.join(' ')}" as root, then this again`,
      );
    }
    words.unshift('sudo');
  }
  run(words);
}

function installPackages() {
  if (isInstalled()) return say('packages: as the lock file says');
  say('packages: installing what the lock file says');
  if (run(['npm', 'ci', '--no-audit', '--no-fund'], root) !== 0) fail('npm ci failed (its output is above)');
}

/**
 * npm notes what it installed in node_modules/.package-lock.json, last of all. Every package of the lock
 * file must be in there and still on the disk; those for other machines are optional, and in neither.
 */
function isInstalled() {
  const installed = packagesIn('node_modules/.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    if (!found) return wanted.optional === true;
    return found.integrity === wanted.integrity && existsSync(join(root, path, 'package.json'));
  });
}

function packagesIn(lockFile) {
  const path = join(root, lockFile);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')).packages ?? {}) : {};
}

function succeeds(command, args, cwd) {
  return spawnSync(command, args, { cwd, stdio: 'ignore' }).status === 0;
}

function run(words, cwd) {
  const [command, ...args] = words;
  return spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] }).status;
}

function say(line) {
  process.stdout.write(`setup: ${line}\n`);
}

function fail(line) {
  process.stderr.write(`setup: ${line}\n`);
  process.exit(1);
}
