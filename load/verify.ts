/** npm run verify: checks a database, a history, or both. Exit codes: 0 nothing is wrong; 1 violations; 2 it could not check. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Verdict, verify } from './verify/verify.ts';
import { rules } from './verify/violations.ts';

const USAGE = [
  'usage: npm run verify -- [--history dir] [--database-url url] [--redis-url url] [--show id] [--json]',
  '  --history       judges what clients saw (*.jsonl); with a database, against its rows too',
  '  --database-url  judges the tables',
  '  --redis-url     also compares the last maps of watchers with the leases that there are now',
  '  --show          this show alone',
  '  --json          the verdict as JSON',
].join('\n');

/** The verdict as text: what was checked, then every violation with its operations. */
export function printVerdict({ ok, violations, kinds, looked, outcomes }: Verdict): string {
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([what, count]) => `  ${what.padEnd(28)} ${String(count).padStart(10)}`);
  const found = violations.map(
    ({ rule, what, operations }) =>
      `${rule}  ${what}\n${operations.map((line) => `      ${line}`).join('\n')}`,
  );
  const totals = Object.entries(kinds).map(
    ([kind, { rule, count }]) =>
      `  ${rule} ${kind.padEnd(25)} ${String(count).padStart(10)}   broken: ${rules[rule]}`,
  );
  const verdict = ok ? 'OK: no violation' : 'NOT OK';
  return [
    'looked at',
    ...counts(looked),
    ...outcomeLines(counts(outcomes)),
    ...found,
    ...totals,
    verdict,
  ].join('\n');
}

const outcomeLines = (lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : ['answers', ...lines];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      history: { type: 'string' },
      'database-url': { type: 'string' },
      'redis-url': { type: 'string' },
      show: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { history: historyDir, 'database-url': databaseUrl, 'redis-url': redisUrl, show: showId } = values;
  if (historyDir === undefined && databaseUrl === undefined) throw new Error(USAGE);
  if (historyDir !== undefined && !existsSync(historyDir)) throw new Error(`there is no ${historyDir}`);
  const verdict = await verify({ historyDir, databaseUrl, redisUrl, showId });
  process.stdout.write(`${values.json ? JSON.stringify(verdict, null, 2) : printVerdict(verdict)}\n`);
  return verdict.ok ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`verify: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  });
}
