import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { arena } from '../dev/halls.ts';
import { PATIENCE } from './page-kit.ts';
import { PageStage } from './page-stage-kit.ts';

let stage: PageStage;

beforeAll(async () => {
  stage = await PageStage.open();
});
afterAll(() => stage?.close());
afterEach(() => stage.endVisits());

describe('a show of 20 000 seats', () => {
  it('is drawn whole, moves, and takes holds', async () => {
    await stage.newShow(arena());
    const anna = await stage.visit();
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
      const anna = await stage.inMidSale({ colorScheme, reducedMotion: 'reduce' });
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
    await stage.newShow();
    const phone = { width: 390, height: 780 };
    const anna = await stage.visit({ viewport: phone, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
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
    await stage.newShow(120);
    const plain = stage.show;
    await stage.newShow();
    // The server reads its list of shows anew only now and then.
    const listed = async () => (await fetch(`${stage.url}/shows`)).text();
    await expect.poll(listed, PATIENCE).toContain(`"${stage.show}"`);
    const anna = await stage.visit();
    await anna.page.selectOption('#picker', plain);
    await anna.counts({ available: 120 });
    await anna.goTo('A77');
    await anna.click('Seat A77');
    await anna.holds('A77');
    expect(new URL(anna.page.url()).searchParams.get('show')).toBe(plain);
  });

  it('may only be what the server serves', async () => {
    const answer = await fetch(stage.url);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    const again = await fetch(stage.url, { headers: { 'if-none-match': answer.headers.get('etag') ?? '' } });
    expect(again.status).toBe(304);
  });
});
