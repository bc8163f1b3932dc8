/*
 * npm run setup: a Redis server from the system's package manager, then the packages of the lock file. With --browser
 * a Chromium too, for npm run test:browser.
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
    redis: [['install', '--yes', '--no-install-recommends', 'redis-server']],
    browser: [['install', '--yes', '--no-install-recommends', 'chromium']],
    refresh: ['update'],
  },
  {
    command: 'brew',
    asRoot: false,
    redis: [['install', 'redis']],
    browser: [['install', '--cask', 'google-chrome']],
  },
  {
    command: 'dnf',
    asRoot: true,
    redis: [
      ['install', '--assumeyes', 'valkey'],
      ['install', '--assumeyes', 'redis'],
    ],
    browser: [['install', '--assumeyes', 'chromium']],
  },
  {
    command: 'apk',
    asRoot: true,
    redis: [
      ['add', '--no-cache', 'redis'],
      ['add', '--no-cache', 'valkey'],
    ],
    browser: [['add', '--no-cache', 'chromium']],
  },
];

/** Programs that a package manager can bring, by what they are called there. */
const programs = {
  redis: {
    name: 'Redis',
    find: () => onPath('redis-server', 'valkey-server'),
    byHand: 'install Redis 7 or newer, or Valkey, by hand, so that it is on the PATH, and run this again',
  },
  browser: {
    name: 'Chromium',
    find: () =>
      onPath('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable') ??
      [
        '/Applications/Chromium.app/Contents/MacOS/Chromium',
        '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      ].find((app) => process.platform === 'darwin' && existsSync(app)),
    byHand: 'install Chromium or Chrome by hand, so that it is on the PATH, and run this again',
  },
};

checkNode();
install('redis');
if (process.argv.includes('--browser')) install('browser');
installPackages();
say('ready: "npm start" runs the server, "npm test" its tests');

/** uWebSockets.js has its binaries for these only; whoever brings others knows what they do. */
function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: use Node 22`);
  if (major > 22) say(`Node ${process.versions.node} has no uWebSockets.js in the lock file: use Node 22`);
}

function install(what) {
  const { name, find, byHand } = programs[what];
  const present = find();
  if (present) return say(`${name}: ${present} is there`);

  const manager = managers.find(({ command }) => succeeds(command, ['--version']));
  if (!manager) fail(`there is no apt-get, brew, dnf or apk to install ${name} with: ${byHand}`);
  say(`${name}: installing it with ${manager.command}`);
  const tries = manager.refresh ? [...manager[what], manager.refresh, ...manager[what]] : manager[what];
  for (const args of tries) {
    runManager(manager, args, name);
    const installed = find();
    if (installed) return say(`${name}: ${installed} is installed`);
  }
  fail(`${manager.command} could not (its output is above): ${byHand}`);
}

function onPath(...commands) {
  return commands.find((command) => succeeds(command, ['--version']));
}

/** Without questions: there may be nobody to answer them. */
function runManager({ command, asRoot }, args, name) {
  const words = [command, ...args];
  if (command === 'apt-get') words.unshift('env', 'DEBIAN_FRONTEND=noninteractive');
  if (asRoot && process.getuid?.() !== 0) {
    if (!succeeds('sudo', ['--version'])) {
      fail(
        `installing ${name} needs root and there is no sudo: run "${words.join(' ')}" as root, then this again`,
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
