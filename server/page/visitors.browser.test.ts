import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signed } from '../auth/token-kit.ts';
import { freePort } from '../dev/process.ts';
import { PATIENCE, Visitor } from './page-kit.ts';
import { PageStage } from './page-stage-kit.ts';

let stage: PageStage;

beforeAll(async () => {
  stage = await PageStage.open();
});
afterAll(() => stage?.close());
afterEach(() => stage.endVisits());

describe('two visitors of a sale', () => {
  it('see what the other holds, frees by leaving, and books', async () => {
    await stage.newShow();
    const [anna, ben] = [await stage.visit(), await stage.visit()];
    await anna.goTo('C3');
    await ben.goTo('C3');
    await anna.click('row C, seat 3');
    await anna.holds('C3');
    await anna.state('row C, seat 3', 'held by you');
    await ben.state('row C, seat 3', 'held by somebody else');
    await ben.counts({ held: 1, mine: 0 });

    await ben.drag('row C, seat 4', 'row C, seat 5');
    await ben.holds('C4', 'C5');
    await anna.state('row C, seat 5', 'held by somebody else');
    await anna.click('row C, seat 4');
    await anna.said('Stalls, row C, seat 4 is held by somebody else.');

    await ben.page.close();
    await anna.state('row C, seat 5', 'available');
    await anna.counts({ held: 0, mine: 1 });

    const cleo = await stage.visit();
    await cleo.goTo('C3');
    await anna.page.click('#book');
    await anna.said('Booked: Stalls, row C, seat 3.');
    await anna.state('row C, seat 3', 'booked by you');
    await cleo.state('row C, seat 3', 'booked');
    await anna.counts({ available: 199, booked: 1, mine: 0 });
    expect(await anna.page.locator('.ticket').count()).toBe(1);
  });

  it('learn in words what was in the way', async () => {
    await stage.newShow();
    const [anna, ben] = [await stage.visit(), await stage.visit()];
    await ben.goTo('D4');
    await anna.goTo('D4');
    // Ben's map stands still, as on a slow line: he asks for what he does not know to be gone.
    await ben.page.keyboard.press('Shift+ArrowRight');
    await anna.click('row D, seat 5');
    await anna.holds('D5');
    await ben.state('row D, seat 5', 'held by somebody else');
    await ben.page.keyboard.press('Enter');
    await ben.said('Stalls, row D, seat 5 is held by somebody else. Nothing was held: choose other seats.');
    await ben.holds();
  });

  it('recover with their seats when the server restarts', async () => {
    await stage.newShow();
    // Chosen beforehand: a port that the system chose is not free again for a while.
    const PORT = String(await freePort());
    const first = await stage.start({ PORT });
    const [anna, ben] = [await stage.visit({}, first.url), await stage.visit({}, first.url)];
    await anna.goTo('E1');
    await ben.goTo('E2');
    await anna.click('row E, seat 1');
    await ben.click('row E, seat 2');
    await anna.holds('E1');
    await ben.holds('E2');
    await first.stop();
    await anna.connection('Reconnecting');
    await stage.start({ PORT });
    for (const visitor of [anna, ben]) await visitor.arrived();
    await anna.holds('E1');
    await ben.holds('E2');
    await anna.state('row E, seat 2', 'held by somebody else');
    await anna.page.click('#book');
    await ben.state('row E, seat 1', 'booked');
  });
});

describe('one visitor', () => {
  it('holds and books by the keyboard alone', async () => {
    await stage.newShow();
    const anna = await stage.visit();
    const { keyboard } = anna.page;
    await anna.page.focus('.skip');
    await keyboard.press('Enter');
    await keyboard.press('Tab');
    await keyboard.press('ArrowRight');
    await keyboard.press('ArrowDown');
    await anna.state('row B, seat 2', 'available');
    await keyboard.press('Enter');
    await anna.said('Held for you: Stalls, row B, seat 2.');
    await keyboard.press('ArrowRight');
    await keyboard.press('Shift+ArrowRight');
    await keyboard.press('Shift+ArrowRight');
    expect(await anna.page.locator('[aria-selected=true]').count()).toBe(3);
    await keyboard.press('Space');
    await anna.holds('B2', 'B3', 'B4', 'B5');
    await keyboard.press('Enter');
    await anna.said('Released: Stalls, row B, seat 5.');
    await anna.holds('B2', 'B3', 'B4');
    for (let i = 0; i < 20; i += 1) {
      await keyboard.press('Tab');
      if (await anna.page.evaluate(() => document.activeElement?.id === 'book')) break;
    }
    await keyboard.press('Enter');
    await anna.said('Booked: Stalls, row B, seats 2, 3 and 4.');
    await anna.counts({ booked: 3, mine: 0 });
  });

  it('holds as many as a booking takes by dragging, and releases by dragging over them', async () => {
    await stage.newShow();
    const anna = await stage.visit({ viewport: { width: 1400, height: 900 } });
    await anna.goTo('A1');
    // A chord would miss the middle of a curved row.
    await anna.drag('row A, seat 1', 'row A, seat 5', 'row A, seat 10', 'row A, seat 16');
    await expect.poll(async () => (await anna.leases()).length, PATIENCE).toBe(10);
    await anna.drag('row A, seat 2', 'row A, seat 1');
    await expect.poll(async () => (await anna.leases()).length, PATIENCE).toBe(8);
    await anna.page.click('#pin');
    await anna.said('Kept for your payment');
    await expect.poll(() => anna.page.locator('.lease.pinned').count(), PATIENCE).toBe(8);
    await anna.page.click('#release-all');
    await anna.holds();
  });

  it('finds seats, bookings and name again after a reload', async () => {
    const anna = await stage.inMidSale();
    await anna.page.reload();
    await anna.arrived();
    await anna.said('Held again after the reload: Stalls, row A, seat 2.');
    await anna.holds('A2');
    await anna.goTo('A1');
    await anna.state('row A, seat 1', 'booked by you');
  });

  it('may go on in another tab, which ends the visit in the first', async () => {
    await stage.newShow();
    const anna = await stage.visit();
    await anna.goTo('A1');
    await anna.click('row A, seat 1');
    await anna.holds('A1');
    const memory = await anna.page.evaluate(() => sessionStorage.getItem('rowlock') ?? '');
    const page = await stage.tab(anna.page, '/livez');
    await page.evaluate((text) => sessionStorage.setItem('rowlock', text), memory);
    await page.goto(`${stage.url}/?show=${stage.show}`);
    const again = await new Visitor(page).arrived();
    await again.holds('A1');
    await expect.poll(() => anna.page.textContent('#ending-text'), PATIENCE).toContain('another tab');
    for (let i = 0; i < 3; i++) await anna.page.keyboard.press('Escape');
    await anna.page.click('#ending button');
    await anna.arrived();
    await anna.holds();
  });
});

describe('a visitor of a sale for known ones', () => {
  it('is asked for a token, told what is wrong with it, and let in with a good one', async () => {
    await stage.newShow();
    const secret = randomUUID();
    const known = await stage.start({ AUTH_JWT_SECRET: secret });
    const page = await stage.goTo(known.url);
    const said = () => page.textContent('#ending-text');
    await expect.poll(said, PATIENCE).toContain('for known visitors only');
    const give = async (expiresInS: number) => {
      await page.fill('#token', await signed(Buffer.from(secret), { sub: randomUUID(), expiresInS }));
      await page.click('#ending-go');
    };
    await give(-3600);
    await expect.poll(said, PATIENCE).toContain('The token has expired.');
    await give(60);
    await new Visitor(page).arrived();
  });
});
