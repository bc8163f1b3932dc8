import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signed } from '../auth/token-kit.ts';
import { arena, theatre } from '../dev/halls.ts';
import { freePort } from '../dev/process.ts';
import { openStage, type TestApp, type TestStage } from '../test/harness/app-kit.ts';
import { openBrowser, type TestBrowser, type Watched } from '../test/harness/browser.ts';
import { PATIENCE, Visitor } from './page-kit.ts';

let stage: TestStage;
let app: TestApp;
let browser: TestBrowser;
const visits: Watched[] = [];
let shows = 0;
let show = '';

beforeAll(async () => {
  [stage, browser] = await Promise.all([openStage(), openBrowser()]);
  // The page of a server may always connect to it: nobody has to list it.
  app = await stage.start({ ALLOWED_ORIGINS: 'https://shop.example' });
});
afterAll(async () => {
  await browser?.close();
  await stage?.close();
});
/** No test may leave a complaint on a console, its policy's included. */
afterEach(async () => {
  const all = visits.splice(0);
  const complaints = all.flatMap((visit) => visit.complaints);
  await Promise.all(all.map(({ page }) => page.context().close()));
  expect(complaints).toEqual([]);
});

async function newShow(layout: Parameters<TestStage['createShow']>[1] = theatre()): Promise<void> {
  shows += 1;
  show = `show-${shows}`;
  await stage.createShow(show, layout);
}

async function visit(options: Parameters<TestBrowser['visit']>[1] = {}, url = app.url): Promise<Visitor> {
  const watched = await browser.visit(`${url}/?show=${show}`, options);
  visits.push(watched);
  return new Visitor(watched.page).arrived();
}

/** A visitor of a new show who has booked A1 and holds A2. */
async function inMidSale(options: Parameters<typeof visit>[0] = {}): Promise<Visitor> {
  await newShow();
  const anna = await visit(options);
  await anna.goTo('A1');
  await anna.click('row A, seat 1');
  await anna.holds('A1');
  await anna.page.click('#book');
  await anna.counts({ booked: 1 });
  await anna.click('row A, seat 2');
  await anna.holds('A2');
  return anna;
}

describe('two visitors of a sale', () => {
  it('see what the other holds, frees by leaving, and books', async () => {
    await newShow();
    const [anna, ben] = [await visit(), await visit()];
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

    const cleo = await visit();
    await cleo.goTo('C3');
    await anna.page.click('#book');
    await anna.said('Booked: Stalls, row C, seat 3.');
    await anna.state('row C, seat 3', 'booked by you');
    await cleo.state('row C, seat 3', 'booked');
    await anna.counts({ available: 199, booked: 1, mine: 0 });
    expect(await anna.page.locator('.ticket').count()).toBe(1);
  });

  it('learn in words what was in the way', async () => {
    await newShow();
    const [anna, ben] = [await visit(), await visit()];
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
    await newShow();
    // Chosen beforehand: a port that the system chose is not free again for a while.
    const PORT = String(await freePort());
    const first = await stage.start({ PORT });
    const [anna, ben] = [await visit({}, first.url), await visit({}, first.url)];
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
    await newShow();
    const anna = await visit();
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
    await newShow();
    const anna = await visit({ viewport: { width: 1400, height: 900 } });
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
    const anna = await inMidSale();
    await anna.page.reload();
    await anna.arrived();
    await anna.said('Held again after the reload: Stalls, row A, seat 2.');
    await anna.holds('A2');
    await anna.goTo('A1');
    await anna.state('row A, seat 1', 'booked by you');
  });

  it('may go on in another tab, which ends the visit in the first', async () => {
    await newShow();
    const anna = await visit();
    await anna.goTo('A1');
    await anna.click('row A, seat 1');
    await anna.holds('A1');
    const memory = await anna.page.evaluate(() => sessionStorage.getItem('rowlock') ?? '');
    const watched = await browser.tab(anna.page, `${app.url}/livez`);
    visits.push(watched);
    await watched.page.evaluate((text) => sessionStorage.setItem('rowlock', text), memory);
    await watched.page.goto(`${app.url}/?show=${show}`);
    const again = await new Visitor(watched.page).arrived();
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
    await newShow();
    const secret = randomUUID();
    const known = await stage.start({ AUTH_JWT_SECRET: secret });
    const watched = await browser.visit(`${known.url}/?show=${show}`);
    visits.push(watched);
    const { page } = watched;
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

describe('a show of 20 000 seats', () => {
  it('is drawn whole, moves, and takes holds', async () => {
    await newShow(arena());
    const anna = await visit();
    await anna.counts({ available: 20_000 });
    const inked = () =>
      anna.page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>('#seats');
        const copy = new OffscreenCanvas(canvas?.width ?? 1, canvas?.height ?? 1).getContext('2d');
        if (canvas) copy?.drawImage(canvas, 0, 0);
        const data = copy?.getImageData(0, 0, copy.canvas.width, copy.canvas.height).data;
        return data?.filter((value, i) => i % 4 === 3 && value > 200).length ?? 0;
      });
    expect(await inked()).toBeGreaterThan(60_000);
    // One row of it is in the document, whatever its size.
    expect(await anna.page.locator('#grid *').count()).toBeLessThan(60);
    for (const key of ['+', '+', '-', '0']) {
      await anna.page.focus('#grid [tabindex="0"]');
      await anna.page.keyboard.press(key);
    }
    await anna.goTo('212 7 9');
    const row = '212, row 7';
    await anna.state(`${row}, seat 9`, 'available');
    const free = await anna.colour(`${row}, seat 9`);
    await anna.drag(`${row}, seat 9`, `${row}, seat 11`);
    await anna.holds('212-7-9', '212-7-10', '212-7-11');
    await expect.poll(() => anna.colour(`${row}, seat 9`), PATIENCE).not.toBe(free);
    await anna.counts({ available: 19_997, mine: 3 });
    await anna.page.click('#book');
    await anna.counts({ available: 19_997, booked: 3 });
  });
});

describe('the page', () => {
  const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`is accessible: ${colorScheme}`, async () => {
      const anna = await inMidSale({ colorScheme, reducedMotion: 'reduce' });
      await anna.page.evaluate(await readFile(axe, 'utf8'));
      const violations = await anna.page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
        };
        return (await axe.run()).violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
      });
      expect(violations).toEqual([]);
    });
  }

  it('is usable by touch on a narrow screen', async () => {
    await newShow();
    const phone = { width: 390, height: 780 };
    const anna = await visit({ viewport: phone, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
    await anna.goTo('C10');
    const { x, y } = await anna.centre('row C, seat 10');
    await anna.page.touchscreen.tap(x, y);
    await anna.holds('C10');
    const overflow = await anna.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await anna.page.tap('#book');
    await anna.counts({ booked: 1 });
  });

  it('lets the visitor choose among shows, and lays out seats that have no places', async () => {
    await newShow(120);
    const plain = show;
    await newShow();
    // The server reads its list of shows anew only now and then.
    const listed = async () => (await fetch(`${app.url}/shows`)).text();
    await expect.poll(listed, PATIENCE).toContain(`"${show}"`);
    const anna = await visit();
    await anna.page.selectOption('#picker', plain);
    await anna.counts({ available: 120 });
    await anna.goTo('A77');
    await anna.click('Seat A77');
    await anna.holds('A77');
    expect(new URL(anna.page.url()).searchParams.get('show')).toBe(plain);
  });

  it('may only be what the server serves', async () => {
    const answer = await fetch(app.url);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    const again = await fetch(app.url, { headers: { 'if-none-match': answer.headers.get('etag') ?? '' } });
    expect(again.status).toBe(304);
  });
});
