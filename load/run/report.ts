import type { Machine } from '../bench/kit/machine.ts';
import type { Report } from '../report/page.ts';
import type { Played } from './play.ts';
import { outcomesOf, reasonsForVoid, verdictOf } from './verdict.ts';

export function reportOf(played: Played, machine: Machine): Report {
  const { scenario, facts, story, name, serverCpuMs, tookMs } = played;
  const { cpuMs, tookMs: performedMs } = facts.performance;
  return {
    scenario: name,
    proves: scenario.proves,
    verdict: verdictOf(scenario, facts),
    at: new Date().toISOString(),
    machine,
    variables: scenario.variables,
    seats: scenario.seatIds.length,
    outcomes: outcomesOf(facts.performance),
    judgement: facts.judgement,
    voidBecause: reasonsForVoid(scenario, facts),
    cores: {
      ...(serverCpuMs === undefined ? {} : { server: serverCpuMs / performedMs }),
      ...(cpuMs === undefined ? {} : { generator: cpuMs / performedMs }),
    },
    tookS: tookMs / 1000,
    story,
  };
}
