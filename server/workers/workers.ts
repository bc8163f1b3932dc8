import { checkAddress, reservePort } from '../dev/port.ts';
import type { Log } from '../observability/log.ts';
import type { AppConfig } from '../rooms.ts';
import { Supervisor } from './supervisor.ts';
import { startWorker } from './worker-process.ts';

export interface Workers {
  readonly port: number;
  /** Replaces them one after the other. */
  restart(): Promise<void>;
  /** Drains all of them, within `drainMs`. */
  stop(): Promise<void>;
}

/**
 * Starts one server of several processes on one port. When it rejects, with one line that says why, no process is left.
 * @param onLost called when no worker is left and none can be started
 */
export async function startWorkers(
  config: AppConfig,
  log: Log,
  onLost: (reason: string) => void,
): Promise<Workers> {
  const { host, databaseUrl, redisUrl, startWaitMs } = config;
  const port = await checkAddress(host, config.port);
  const letGo = await reservePort(host, port);
  const supervisor = new Supervisor({
    ...config,
    log,
    onLost,
    launch: (worker, hears) => startWorker({ worker, port, databaseUrl, redisUrl }, hears, startWaitMs),
  });
  const stop = () => supervisor.stop().finally(letGo);
  try {
    await supervisor.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, restart: () => supervisor.restart(), stop };
}
