import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** How long a state may take to show: a busy machine is no failure. */
export const PATIENCE = { timeout: 20_000, interval: 50 };

/** What a visitor does with the page, by what everybody can see or hear. */
export class Visitor {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async arrived(): Promise<this> {
    await this.connection('Live');
    await expect
      .poll(() => this.page.locator('body').getAttribute('class'), PATIENCE)
      .not.toContain('is-stale');
    return this;
  }

  async connection(label: string): Promise<void> {
    await expect.poll(() => this.page.textContent('#connection-label'), PATIENCE).toBe(label);
  }

  count(state: 'available' | 'held' | 'booked' | 'mine'): Promise<string | null> {
    return this.page.textContent(`#count-${state}`);
  }

  async counts(wanted: Partial<Record<'available' | 'held' | 'booked' | 'mine', number>>): Promise<void> {
    for (const [state, count] of Object.entries(wanted)) {
      const text = () => this.page.textContent(`#count-${state}`);
      await expect.poll(text, { ...PATIENCE, message: `seats ${state}` }).toBe(count.toLocaleString('en'));
    }
  }

  /** Brings the row of a seat up, and waits until the map has stopped moving for it. */
  async goTo(seat: string): Promise<void> {
    await this.page.fill('#find-seat', seat);
    await this.page.press('#find-seat', 'Enter');
    await this.page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
  }

  /** Of the row that is up: "row C, seat 3". */
  cell(name: string): Locator {
    return this.page.locator(`[role=gridcell][aria-label*="${name}, "]`);
  }

  async state(name: string, state: string): Promise<void> {
    const label = () => this.cell(name).getAttribute('aria-label');
    await expect.poll(label, { ...PATIENCE, message: name }).toMatch(new RegExp(`, ${state}$`));
  }

  async centre(name: string): Promise<{ x: number; y: number }> {
    const box = await this.cell(name).boundingBox();
    if (box === null) throw new Error(`${name} is not on the screen`);
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  }

  async click(name: string): Promise<void> {
    const { x, y } = await this.centre(name);
    await this.page.mouse.click(x, y);
  }

  /** By way of all of them. */
  async drag(from: string, ...by: string[]): Promise<void> {
    const { mouse } = this.page;
    const start = await this.centre(from);
    await mouse.move(start.x, start.y);
    await mouse.down();
    for (const name of by) {
      const { x, y } = await this.centre(name);
      await mouse.move(x, y, { steps: 4 });
    }
    await mouse.up();
  }

  async said(text: string | RegExp): Promise<void> {
    const spoken = async () => [
      await this.page.textContent('#polite'),
      await this.page.textContent('#urgent'),
      ...(await this.page.locator('.notice').allTextContents()),
    ];
    await expect.poll(async () => (await spoken()).join('\n'), PATIENCE).toMatch(text);
  }

  leases(): Promise<(string | null)[]> {
    return this.page
      .locator('.lease')
      .evaluateAll((lines) => lines.map((line) => line.getAttribute('data-seat')));
  }

  async holds(...seatIds: string[]): Promise<void> {
    await expect.poll(() => this.leases(), PATIENCE).toEqual(seatIds);
  }

  /** The colour of the map in the middle of a seat. */
  async colour(name: string): Promise<string> {
    const { x, y } = await this.centre(name);
    return this.page.evaluate(
      ([left = 0, top = 0]) => {
        const canvas = document.querySelector<HTMLCanvasElement>('#seats');
        const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
        if (!canvas || !pen) return '';
        const box = canvas.getBoundingClientRect();
        const density = canvas.width / box.width;
        const [x, y] = [(left - box.left) * density, (top - box.top) * density];
        pen.drawImage(canvas, Math.round(x), Math.round(y), 1, 1, 0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].join();
      },
      [x, y],
    );
  }
}
