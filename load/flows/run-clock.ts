import { setTimeout as sleep } from 'node:timers/promises';
import { machineMs } from '../history.ts';

let startedMs: number | undefined;

/** Milliseconds since the first user of this process arrived. */
export function elapsedMs(): number {
  startedMs ??= machineMs();
  return machineMs() - startedMs;
}

export const pause = (ms: number): Promise<void> => sleep(Math.max(0, ms));

/** A random time between 0.5 and 1.5 times `ms`. */
export const about = (ms: number): number => ms * (0.5 + Math.random());

export function oneOf<T>(...choices: [T, ...T[]]): T {
  return choices[Math.floor(Math.random() * choices.length)] ?? choices[0];
}
