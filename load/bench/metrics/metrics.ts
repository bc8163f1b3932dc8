import { Counter, Histogram, Registry } from 'prom-client';
import { decodeClientFrame } from '../../../protocol/index.ts';
import { monotonicMs } from '../../../server/clock.ts';
import { createMetrics } from '../../../server/observability/metrics.ts';
import { batchObserver, stepObserver } from '../../../server/observability/observers.ts';
import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { median } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';

const ROUNDS = 5;
const HOLD = '{"type":"hold","id":"4","showId":"demo","seatIds":["A-1","A-2"]}';

/** Measures what counting and timing a frame costs, compared with the counters of prom-client and with parsing a hold. */
async function metrics({ quick, say }: BenchContext): Promise<BenchResult> {
  const times = quick ? 20_000 : 1_000_000;
  const nsOf = (name: string, work: () => void) => {
    say(name);
    const rounds = Array.from({ length: ROUNDS }, () => {
      const from = monotonicMs();
      for (let i = 0; i < times; i++) work();
      return ((monotonicMs() - from) / times) * 1e6;
    });
    // The first one is discarded, because code is still being compiled.
    return median(rounds.slice(1));
  };
  const ours = createMetrics();
  const registers = [new Registry()];
  const byType = new Counter({ name: 'by_type', help: '-', labelNames: ['type'], registers });
  const byBoth = new Counter({ name: 'by_both', help: '-', labelNames: ['via', 'outcome'], registers });
  const child = byType.labels({ type: 'hold' });
  const histogram = new Histogram({ name: 'seconds', help: '-', labelNames: ['type'], registers });
  const step = stepObserver(ours);
  const batch = batchObserver(ours)('holds', () => 0);

  const figures = {
    count: nsOf('one count', () => ours.replies.count('ok')),
    inc: nsOf('one inc of prom-client', () => byType.inc({ type: 'hold' })),
    child: nsOf('one inc of its bound child', () => child.inc()),
    frame: nsOf('a frame', () => {
      const timing = ours.frameTimes.begin();
      timing?.parsed();
      ours.framesReceived.count('hold');
      timing?.replying();
      ours.holds.ws.count('held');
      ours.replies.count('ok');
      timing?.replied('hold');
    }),
    incs: nsOf('a frame with prom-client', () => {
      const from = monotonicMs();
      byType.inc({ type: 'hold' });
      byBoth.inc({ via: 'ws', outcome: 'held' });
      byType.inc({ type: 'ok' });
      histogram.observe({ type: 'hold' }, (monotonicMs() - from) / 1000);
    }),
    parse: nsOf('parsing a hold', () => decodeClientFrame(HOLD)),
    call: nsOf('a call of Redis', () => {
      batch(64);
      const from = monotonicMs();
      step('hold', true, monotonicMs() - from);
    }),
  };
  const { count, inc, child: bound, frame, incs, parse, call } = figures;
  const rows = [
    row('ns for one count, beside inc()', count, inc),
    row('the same, beside labels().inc()', count, bound),
    row('ns for a frame, beside three inc() and a histogram', frame, incs),
    row('ns for a frame, beside parsing a hold', frame, parse),
    row('ns for a call of Redis with its batch', call),
  ];
  return { beside: 'the other', rows, figures };
}

function row(measure: string, ours: number, beside?: number): Row {
  const text = ours.toFixed(0);
  if (beside === undefined) return { measure, ours: text };
  return { measure, ours: text, beside: beside.toFixed(0), ratio: (ours / beside).toFixed(2) };
}

export const metricsBench: Bench = {
  describe: 'what counting and timing a frame costs, beside prom-client alone and the parsing of a hold',
  sockets: () => 0,
  run: metrics,
};
