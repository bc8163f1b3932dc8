import { type Child, startChild } from './child.ts';
import type { Handlers } from './served.ts';
import type { Services } from './services.ts';
import { startFlags } from './start-flags.ts';
import type { UsageHandlers } from './usage.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The server under test: server/main.ts in a process of its own, with the probe loaded. */
export interface ServerUnderTest {
  readonly process: Child<UsageHandlers>;
  readonly address: Address;
}

const settings = {
  PORT: '0',
  HOST: '127.0.0.1',
  LOG_LEVEL: 'warn',
  // No limits, because one machine plays all users, and the limits would be all that is measured.
  MAX_SESSIONS_PER_ADDRESS: '0',
  MAX_SESSIONS_PER_USER: '0',
  MAX_FRAMES_PER_S: '0',
};

/**
 * @param flags Node flags, for example for a profile
 * @param more further settings
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

/** The same server as users run it, without the probe: if it had several workers, each of them would load the probe. */
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
