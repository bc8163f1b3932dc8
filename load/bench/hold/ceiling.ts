/* Measures what Redis alone reaches: `redis-benchmark` with the very command that the server sends for one hold. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { askRedis, commandsWhile, numberFromRedis } from '../kit/redis-telnet.ts';
import { named } from '../sockets/frames.ts';

const run = promisify(execFile);
const WITHIN_MS = 60_000;
/** `redis-benchmark` replaces it with twelve digits, as many as the names of seats have. */
const RANDOM = '__rand_int__';
/** So large that hardly any seat is wanted twice. */
const RANGE = 1_000_000_000;
const PIPELINE = 16;
const LEASE_ID = /^[\w-]{12}\.\w+$/;
/** At least this share must be granted: holds of a taken seat would be cheaper, and the ceiling too high. */
const MIN_GRANTED = 0.98;
const CLEARED_AT_ONCE = 5_000;

export interface Ceiling {
  readonly showId: string;
  readonly redisPort: number;
}

export interface CeilingKind {
  /** The command as the server has sent it. */
  readonly command: readonly string[];
  readonly contended: boolean;
  readonly holds: number;
}

/** Finds the command that names the seat's lock, among those that the server sends while `hold` runs. */
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
 * Calls per second on a show that no server follows. It has the same state as the server's show: its position, what was announced
 * as booked and, if contended, the lock and its end. The ids of leases are random, and so are the seats unless contended.
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

/** Deletes the keys of the show in slices, so that Redis is never blocked for long. */
async function clear(redisPort: number, showId: string): Promise<void> {
  const script =
    "local s = redis.call('ZPOPMIN', KEYS[1], ARGV[1]) for i = 1, #s, 2 do redis.call('UNLINK', ARGV[2] .. s[i]) end return #s";
  const slice = `EVAL "${script}" 1 due:{${showId}} ${CLEARED_AT_ONCE} lock:{${showId}}:`;
  while ((await numberFromRedis(redisPort, slice)) > 0);
  await askRedis(redisPort, `UNLINK pos:{${showId}} log:{${showId}} due:{${showId}} sold:{${showId}}`);
}
