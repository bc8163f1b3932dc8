import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { theatre } from '../dev/halls.ts';
import { openStage, type TestApp, type TestStage, type Variables } from '../test/harness/app-kit.ts';
import { openBrowser, type TestBrowser, type Watched } from '../test/harness/browser.ts';
import { Visitor } from './page-kit.ts';

type VisitOptions = Parameters<TestBrowser['visit']>[1];

/** A server with its page, a browser, and the visitors of one show after the other. */
export class PageStage {
  /** The server that visitors come to unless a test says otherwise. */
  readonly url: string;
  readonly #stage: TestStage;
  readonly #browser: TestBrowser;
  readonly #visits: Watched[] = [];
  #shows = 0;

  private constructor(stage: TestStage, browser: TestBrowser, url: string) {
    this.#stage = stage;
    this.#browser = browser;
    this.url = url;
  }

  static async open(): Promise<PageStage> {
    const [stage, browser] = await Promise.all([openStage(), openBrowser()]);
    // The page of a server may always connect to it: nobody has to list its own origin.
    const { url } = await stage.start({ ALLOWED_ORIGINS: 'https://shop.example' });
    return new PageStage(stage, browser, url);
  }

  /** The show that visitors come to: the newest. */
  get show(): string {
    return `show-${this.#shows}`;
  }

  async newShow(layout: Parameters<TestStage['createShow']>[1] = theatre()): Promise<void> {
    this.#shows += 1;
    await this.#stage.createShow(this.show, layout);
  }

  /** One more server for the same shows. */
  start(variables: Variables): Promise<TestApp> {
    return this.#stage.start(variables);
  }

  /** A visitor whose page is live. */
  async visit(options: VisitOptions = {}, url = this.url): Promise<Visitor> {
    return new Visitor(await this.goTo(url, options)).arrived();
  }

  /** The page of the show at this server, whatever it says. */
  async goTo(url: string, options: VisitOptions = {}): Promise<Page> {
    return this.#watch(await this.#browser.visit(`${url}/?show=${this.show}`, options));
  }

  /** One more tab in the browser of this page. */
  async tab(beside: Page, path: string): Promise<Page> {
    return this.#watch(await this.#browser.tab(beside, `${this.url}${path}`));
  }

  /** A visitor of a new show who has booked A1 and holds A2. */
  async inMidSale(options: VisitOptions = {}): Promise<Visitor> {
    await this.newShow();
    const anna = await this.visit(options);
    await anna.goTo('A1');
    await anna.click('row A, seat 1');
    await anna.holds('A1');
    await anna.page.click('#book');
    await anna.counts({ booked: 1 });
    await anna.click('row A, seat 2');
    await anna.holds('A2');
    return anna;
  }

  /** For `afterEach`: no test may leave a complaint on a console, those of the page's security policy among them. */
  async endVisits(): Promise<void> {
    const visits = this.#visits.splice(0);
    const complaints = visits.flatMap((visit) => visit.complaints);
    await Promise.all(visits.map(({ page }) => page.context().close()));
    expect(complaints).toEqual([]);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#stage.close();
  }

  #watch(watched: Watched): Page {
    this.#visits.push(watched);
    return watched.page;
  }
}
