import { type Child, startChild } from './child.ts';
import type { Handlers } from './served.ts';
import type { Services } from './services.ts';
import { startFlags } from './start-flags.ts';
import type { UsageHandlers } from './usage.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The server under test: its own main file in a process of its own, with a probe beside it. */
export interface ServerUnderTest {
  readonly process: Child<UsageHandlers>;
  readonly address: Address;
}

const settings = {
  PORT: '0',
  HOST: '127.0.0.1',
  LOG_LEVEL: 'warn',
  // All the load comes from one machine, and limits would measure themselves.
  MAX_SESSIONS_PER_ADDRESS: '0',
  MAX_SESSIONS_PER_USER: '0',
  MAX_FRAMES_PER_S: '0',
};

/**
 * @param flags of Node, as for a profile
 * @param more settings of its own
 */
export async function startServer(
  { databaseUrl, redisUrl }: Services,
  flags: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
): Promise<ServerUnderTest> {
  const process = startChild<UsageHandlers>({
    script: 'server/main.ts',
    flags: [...startFlags(), '--expose-gc', '--import', './load/bench/kit/probe.ts', ...flags],
    settings: { ...settings, ...more, DATABASE_URL: databaseUrl, REDIS_URL: redisUrl },
  });
  return { process, address: await addressOf(process) };
}

/** The same as people run it: without a probe, which in a server of several workers would be in each of them. */
export async function startPlainServer(
  { databaseUrl, redisUrl }: Services,
  more: Readonly<Record<string, string>> = {},
): Promise<{ process: Child<Record<never, never>>; address: Address }> {
  const process = startChild<Record<never, never>>({
    script: 'server/main.ts',
    flags: startFlags(),
    settings: { ...settings, ...more, DATABASE_URL: databaseUrl, REDIS_URL: redisUrl },
  });
  return { process, address: await addressOf(process) };
}

async function addressOf(process: Pick<Child<Handlers>, 'says'>): Promise<Address> {
  const [, host = '', port] = await process.says(/^ {2}HTTP +http:\/\/([\d.]+):(\d+)\/$/m);
  return { host, port: Number(port) };
}
