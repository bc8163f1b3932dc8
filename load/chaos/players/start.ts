import { type Child, startChild } from '../../bench/kit/child.ts';
import type { PlayersHandlers } from './players.ts';

export type Players = Child<PlayersHandlers>;

/** @param within a command in which their process is run */
export const startPlayers = (within: readonly string[] = []): Players =>
  startChild<PlayersHandlers>({ script: 'load/chaos/players/players.ts', within });
