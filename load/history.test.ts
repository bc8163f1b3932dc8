import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HistoryLine, HistoryRecorder, historyFiles, machineMs, readHistory } from './history.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rowlock-history-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const session = 'a-session-token-of-somebody';
const userId = '3b3e0d5e-6c1c-4c6b-9e0e-0d8f2a4c1b7a';

async function linesOf(): Promise<HistoryLine[]> {
  const lines: HistoryLine[] = [];
  for (const file of await historyFiles(dir)) for await (const some of readHistory(file)) lines.push(...some);
  return lines;
}

describe('a history', () => {
  it('is read back as it was written, in order', async () => {
    const recorder = new HistoryRecorder(dir, 'one');
    const fromMs = machineMs();
    recorder.opened('c1');
    recorder.sent('c1', { type: 'hold', id: '1', showId: 'S', seatIds: ['A1'] });
    recorder.received('c1', { type: 'released', id: '1', showId: 'S', seatIds: ['A1'] });
    recorder.received('c1', { type: 'lease_lost', showId: 'S', seatIds: ['A1'], reason: 'expired' });
    recorder.closing('c1');
    recorder.closed('c1', 1000);
    recorder.fault({ ms: fromMs, name: 'lie', forgets: true, showId: 'S', seatIds: ['A1'] });
    recorder.end([{ showId: 'S', epoch: 'e', seq: 3, held: [], booked: [] }]);
    recorder.close();
    const lines = await linesOf();
    expect(lines.map(({ kind }) => kind)).toEqual([
      'open',
      'invoke',
      'return',
      'push',
      'closing',
      'close',
      'fault',
      'end',
    ]);
    const times = lines.filter(({ kind }) => kind !== 'fault').map(({ ms }) => ms);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(fromMs);
  });

  it('keeps secrets to itself, and says which session is which', async () => {
    const recorder = new HistoryRecorder(dir, 'one');
    recorder.sent('c1', { type: 'hello', id: '1', session, token: 'header.claims.signature' });
    recorder.received('c2', {
      ...{ type: 'welcome', id: '1', protocol: 1, session, userId, leaseTtlMs: 1, heartbeatMs: 1 },
      ...{ maxHoldMs: 1, checkoutMs: 1, maxSeatsPerHold: 1, resumed: true, leases: [], lost: [] },
    });
    recorder.close();
    expect(readFileSync(join(dir, 'one.jsonl'), 'utf8')).not.toMatch(
      /a-session-token|header\.claims|signature/,
    );
    const [invoke, reply] = await linesOf();
    const sent =
      invoke?.kind === 'invoke' && invoke.frame.type === 'hello' ? invoke.frame.session : undefined;
    const got = reply?.kind === 'return' && reply.frame.type === 'welcome' ? reply.frame.session : '';
    expect(sent).toBe(got);
  });

  it('forgives a last line that was cut off, and names any other that is none', async () => {
    const recorder = new HistoryRecorder(dir, 'one');
    recorder.closed('c1', 1000);
    recorder.close();
    const file = join(dir, 'one.jsonl');
    appendFileSync(file, '{"kind":"clo');
    expect(await linesOf()).toHaveLength(1);
    appendFileSync(file, 'ck"}\n');
    await expect(linesOf()).rejects.toThrow(/one\.jsonl:2 is no line/);
  });

  it('is written sooner or later, whoever forgets to close it', async () => {
    const recorder = new HistoryRecorder(dir, 'one');
    for (let i = 0; i < 2_000; i++) recorder.closed(`c${i}`, 1000);
    recorder.flush();
    expect(await linesOf()).toHaveLength(2_000);
    recorder.close();
  });
});
