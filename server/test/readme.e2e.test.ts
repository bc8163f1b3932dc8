import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { variables } from '../config/variables.ts';
import { createDemoShow } from '../dev/demo.ts';
import { createLog } from '../observability/log.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** What the server chooses anew each time; everything else is compared to the letter. */
const CHOSEN = /"(session|userId|epoch|bookingId)":"[^"]*"|"(expiresInMs|deadlineInMs)":\d+/g;
const withoutChosen = (text: string): string => text.replace(CHOSEN, '"$1$2":…');

/** The exchange: each frame that the client sends, and what the README shows to come before the next one. */
function printedExchange(): { sent: string; received: string[] }[] {
  const exchange: { sent: string; received: string[] }[] = [];
  for (const line of readme.split('\n')) {
    if (line.startsWith('> {')) exchange.push({ sent: line.slice(2), received: [] });
    if (line.startsWith('< {')) exchange.at(-1)?.received.push(line.slice(2));
  }
  return exchange;
}

describe('README', () => {
  let stage: TestStage;
  beforeAll(async () => {
    stage = await openStage();
    await createDemoShow(stage.database.url, createLog('silent'));
  });
  afterAll(() => stage.close());

  it('shows the exchange as the server has it', async () => {
    const app = await stage.start();
    const client = new TestClient(app.url);
    await client.opened();
    const exchange = printedExchange();
    expect(exchange.length).toBeGreaterThan(3);
    for (const { sent, received } of exchange) {
      const before = client.texts.length;
      client.sendRaw(sent);
      const all = () => client.texts.length >= before + received.length;
      await client.until(all, `what the README shows after ${sent}`);
      expect(client.texts.slice(before).map(withoutChosen)).toEqual(received.map(withoutChosen));
    }
    await client.close();
  });

  it('describes every variable as the configuration does', () => {
    const row = /^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\| (.*) \|$/;
    const table = readme.split('\n').flatMap((line) => {
      const [, name, fallback, description] = row.exec(line) ?? [];
      return name === undefined ? [] : [{ name, default: fallback, description }];
    });
    expect(table).toEqual(
      Object.values(variables).map(({ name, default: fallback, description }) => ({
        name,
        default: fallback,
        description,
      })),
    );
  });

  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const npms = ['install', 'pack', 'prepack'];
    const named = new Set([...readme.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, script]) => script));
    expect([...named].filter((name = 'pack') => !npms.includes(name) && !(name in scripts))).toEqual([]);
    expect(Object.keys(scripts).filter((script) => !npms.includes(script) && !named.has(script))).toEqual([]);
  });
});
