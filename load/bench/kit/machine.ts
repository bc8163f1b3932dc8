import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** Facts about the machine, which the figures depend on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string;
  readonly commit: string;
  /** The load average over a minute at the start. Above 0.5, other work was running, too. */
  readonly load: number;
}

const output = (command: string, ...args: string[]): string => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
};

export function describeMachine(): Machine {
  const changed = output('git', 'status', '--porcelain', '--untracked-files=no', '--', ':!load') !== '';
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    node: process.version,
    redis: /v=(\S+)/.exec(output('redis-server', '--version'))?.[1] ?? 'unknown',
    commit: output('git', 'rev-parse', '--short', 'HEAD') + (changed ? ' and changes' : ''),
    load: Number(loadavg()[0]?.toFixed(1)),
  };
}

/** One line that says what to do if this machine does not allow `sockets` connections in one process. */
export function checkLimits(sockets: number): string | undefined {
  if (process.platform !== 'linux') return 'the bench reads /proc: run it on Linux (a container will do)';
  // Node has already raised its soft limit to the hard limit.
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  const needed = sockets + 500;
  if (files >= needed) return undefined;
  return `${needed} open files are needed and ${files} allowed: run "ulimit -n ${needed}" first (as root: "ulimit -Hn"), or use --quick`;
}
