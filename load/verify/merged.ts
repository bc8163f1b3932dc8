import { type HistoryLine, historyFiles, readHistory } from '../history.ts';

interface Reading {
  readonly batches: AsyncGenerator<HistoryLine[]>;
  lines: readonly HistoryLine[];
  next: number;
}

/** The time at which a line was written. Faults are written when they are over. */
const writtenMs = (line: HistoryLine): number => (line.kind === 'fault' ? line.untilMs : line.ms);

/** The lines of all files of a run in the order of their times, in parts. Each file is read once, piece by piece. */
export async function* mergedHistory(dir: string): AsyncGenerator<HistoryLine[]> {
  const readings: Reading[] = [];
  for (const file of await historyFiles(dir)) {
    const reading: Reading = { batches: readHistory(file), lines: [], next: 0 };
    if (await refill(reading)) readings.push(reading);
  }
  let batch: HistoryLine[] = [];
  for (let reading = earliest(readings); reading !== undefined; reading = earliest(readings)) {
    const line = reading.lines[reading.next++];
    if (line !== undefined) batch.push(line);
    if (reading.next < reading.lines.length) continue;
    if (batch.length > 0) yield batch;
    batch = [];
    if (!(await refill(reading))) readings.splice(readings.indexOf(reading), 1);
  }
}

/** A plain search, because there are only few files, one for each client process. */
function earliest(readings: readonly Reading[]): Reading | undefined {
  let first: Reading | undefined;
  let firstMs = Number.POSITIVE_INFINITY;
  for (const reading of readings) {
    const line = reading.lines[reading.next];
    if (line === undefined || writtenMs(line) >= firstMs) continue;
    first = reading;
    firstMs = writtenMs(line);
  }
  return first;
}

async function refill(reading: Reading): Promise<boolean> {
  for (;;) {
    const { done, value } = await reading.batches.next();
    if (done) return false;
    if (value.length === 0) continue;
    reading.lines = value;
    reading.next = 0;
    return true;
  }
}
