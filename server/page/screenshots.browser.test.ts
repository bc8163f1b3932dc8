import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, it } from 'vitest';
import WebSocket from 'ws';
import { type Client, connect } from '../../protocol/client.ts';
import { arena, theatre } from '../dev/halls.ts';
import { openStage, type TestApp, type TestStage } from '../test/harness/app-kit.ts';
import { openBrowser, type TestBrowser } from '../test/harness/browser.ts';
import { Visitor } from './page-kit.ts';

/*
 * The pictures of the README, of a sale that is always the same: SCREENSHOTS=1 npm run test:browser -- screenshots
 */
const isWanted = process.env['SCREENSHOTS'] !== undefined;
const file = (name: string) => fileURLToPath(new URL(`screenshots/${name}.png`, import.meta.url));

let stage: TestStage;
let app: TestApp;
/** For those who buy whole rows at once. */
let wholesale: TestApp;
let browser: TestBrowser;
const crowd: Client[] = [];

beforeAll(async () => {
  if (!isWanted) return;
  [stage, browser] = await Promise.all([openStage(), openBrowser()]);
  const variables = { MAX_SEATS_PER_HOLD: '400', MAX_LEASES_PER_SESSION: '0', LEASE_TTL_MS: '120000' };
  [app, wholesale] = [await stage.start(), await stage.start(variables)];
});
afterAll(async () => {
  await Promise.all(crowd.map((client) => client.close()));
  await browser?.close();
  await stage?.close();
});

/** Somebody who books the one and holds the other. */
async function buy(showId: string, booked: readonly string[], held: readonly string[]): Promise<void> {
  const client = connect(wholesale.url, { WebSocket });
  crowd.push(client);
  for (let i = 0; i < booked.length; i += 400) {
    const some = booked.slice(i, i + 400);
    await client.hold(showId, some);
    await client.confirm(showId, some);
  }
  for (let i = 0; i < held.length; i += 400) await client.hold(showId, held.slice(i, i + 400));
}

/** Numbers that look like chance and are the same each time. */
function dice(): () => number {
  let seed = 7;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}

it.runIf(isWanted)('a theatre in light', async () => {
  await stage.createShow('Theatre', theatre());
  const free = new Set(['C7', 'C8', 'C9', 'C10', 'C11', 'C12']);
  const roll = dice();
  const all = theatre().map(({ id }) => id);
  const taken = all.filter((id) => !free.has(id) && roll() < (id < 'F' ? 0.6 : 0.3));
  await buy(
    'Theatre',
    taken.filter((_, i) => i % 4 > 0),
    taken.filter((_, i) => i % 4 === 0),
  );
  const { page } = await browser.visit(`${app.url}/?show=Theatre`, {
    colorScheme: 'light',
    reducedMotion: 'reduce',
    viewport: { width: 1200, height: 740 },
  });
  const visitor = await new Visitor(page).arrived();
  await visitor.goTo('C7');
  await visitor.drag('row C, seat 7', 'row C, seat 9');
  await visitor.holds('C7', 'C8', 'C9');
  await page.click('#book');
  await visitor.state('row C, seat 9', 'booked by you');
  await visitor.drag('row C, seat 10', 'row C, seat 11');
  await visitor.holds('C10', 'C11');
  await page.click('.notice-close');
  await page.mouse.move(5, 5);
  await page.waitForTimeout(2_000);
  await page.screenshot({ path: file('theatre') });
});

it.runIf(isWanted)(
  'an arena in dark',
  async () => {
    await stage.createShow('Arena', arena());
    const roll = dice();
    const demand = new Map<string, number>();
    const taken = arena().filter(({ section = '', row }) => {
      const popular = demand.get(section) ?? roll();
      demand.set(section, popular);
      return roll() < popular * (section.startsWith('1') ? 1.1 : 0.8) - Number(row) * 0.008;
    });
    const ids = taken.map(({ id }) => id);
    await buy(
      'Arena',
      ids.filter((_, i) => i % 7 > 0),
      ids.filter((_, i) => i % 7 === 0).slice(0, 1_200),
    );
    const { page } = await browser.visit(`${app.url}/?show=Arena`, {
      colorScheme: 'dark',
      reducedMotion: 'reduce',
      viewport: { width: 1200, height: 740 },
    });
    const visitor = await new Visitor(page).arrived();
    await page.waitForTimeout(1_000);
    await page.screenshot({ path: file('arena') });
    await visitor.connection('Live');
  },
  120_000,
);
