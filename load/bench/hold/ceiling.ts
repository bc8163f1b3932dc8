/** What Redis alone reaches: `redis-benchmark` with the very command that the server sends for one hold. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { askRedis, commandsWhile, numberFromRedis } from '../kit/redis-telnet.ts';
import { named } from '../sockets/frames.ts';

const run = promisify(execFile);
const WITHIN_MS = 60_000;
/** Twelve digits, like the names of the seats. */
const RANDOM = '__rand_int__';
/** So many that hardly any seat comes twice. */
const RANGE = 1_000_000_000;
const PIPELINE = 16;
const LEASE_ID = /^[\w-]{12}\.\w+$/;
/** Of a granted hold: those that found their seat taken would be cheaper. */
const MIN_GRANTED = 0.98;
const CLEARED_AT_ONCE = 5_000;

export interface Ceiling {
  readonly showId: string;
  readonly redisPort: number;
}

export interface CeilingKind {
  /** As the server sent it. */
  readonly command: readonly string[];
  readonly contended: boolean;
  readonly holds: number;
}

/** The one command that names a lock of the seat, while `hold` makes the server send it. */
export async function commandOf(
  { redisPort, showId }: Ceiling,
  seat: number,
  hold: () => Promise<void>,
): Promise<string[]> {
  const lock = `lock:{${showId}}:${named(seat)}`;
  const commands = await commandsWhile(redisPort, hold);
  const found = commands.filter((command) => command.some((argument) => argument.includes(lock)));
  const [command] = found;
  if (command === undefined || found.length !== 1)
    throw new Error(
      `a hold took ${found.length} commands that name its seat: the ceiling has to be thought about anew`,
    );
  return command;
}

/**
 * Calls per second on a show of its own, which no server follows, in the state that the server's show is in: its epoch and,
 * when contended, the lock. Random are the seats, unless they are contended, and the ids of the leases.
 */
export async function measureCeiling(
  { redisPort, showId }: Ceiling,
  { command, contended, holds }: CeilingKind,
): Promise<number> {
  const own = `${showId.slice(0, -1)}~`;
  const moved = (argument: string): string => {
    const there = argument.replaceAll(`{${showId}}`, `{${own}}`);
    if (LEASE_ID.test(there)) return RANDOM;
    return contended ? there : there.replaceAll(/\b0{6}\d{6}\b/g, RANDOM);
  };
  await clear(redisPort, own);
  const copied = contended ? /^(pos|sold|due|lock):/ : /^(pos|sold):/;
  for (const key of command.filter((argument) => copied.test(argument)))
    await askRedis(redisPort, `COPY ${key} ${moved(key)}`);
  const options = [
    '-p',
    String(redisPort),
    '-P',
    String(PIPELINE),
    '-n',
    String(holds),
    '-r',
    String(RANGE),
    '--csv',
  ];
  const { stdout } = await run('redis-benchmark', [...options, ...command.map(moved)], {
    timeout: WITHIN_MS,
  });
  const perS = Number(/","(\d[\d.]*)"[",\d.]*\s*$/.exec(stdout)?.[1]);
  if (!(perS > 0)) throw new Error(`redis-benchmark says ${stdout.slice(-500)}`);
  const seats = command.filter((argument) => argument.startsWith('lock:')).length;
  const taken = await numberFromRedis(redisPort, `ZCARD due:{${own}}`);
  const enough = contended ? taken === seats : taken >= holds * seats * MIN_GRANTED;
  if (!enough) throw new Error(`${taken} seats are held after ${holds} calls: that is no ceiling of holds`);
  await clear(redisPort, own);
  return perS;
}

/** In slices, so that nobody else waits for long. */
async function clear(redisPort: number, showId: string): Promise<void> {
  const script =
    "local s = redis.call('ZPOPMIN', KEYS[1], ARGV[1]) for i = 1, #s, 2 do redis.call('UNLINK', ARGV[2] .. s[i]) end return #s";
  const slice = `EVAL "${script}" 1 due:{${showId}} ${CLEARED_AT_ONCE} lock:{${showId}}:`;
  while ((await numberFromRedis(redisPort, slice)) > 0);
  await askRedis(redisPort, `UNLINK pos:{${showId}} log:{${showId}} due:{${showId}} sold:{${showId}}`);
}
