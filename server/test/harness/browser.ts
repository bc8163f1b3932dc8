import { access, constants, mkdtemp } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { inject } from 'vitest';

/** As server/dev/setup.mjs looks for them. */
const commands = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const apps = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Root may not use the sandbox; there is no GPU to count on; and nothing may be asked for over the network. */
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

async function findBrowser(): Promise<string> {
  const { PATH = '' } = process.env;
  const onPath = PATH.split(delimiter).flatMap((folder) => commands.map((name) => join(folder, name)));
  for (const path of [...onPath, ...apps]) {
    if (
      await access(path, constants.X_OK)
        .then(() => true)
        .catch(() => false)
    )
      return path;
  }
  throw new Error('no Chromium: npm run setup -- --browser installs one');
}

export interface Watched {
  readonly page: Page;
  /** What the page complained about: exceptions, errors on its console, what its policy forbade. */
  readonly complaints: readonly string[];
}

export interface TestBrowser {
  /** A visitor with an empty browser. */
  visit(url: string, options?: BrowserContextOptions): Promise<Watched>;
  /** One more tab beside a page, in the same browser. */
  tab(beside: Page, url: string): Promise<Watched>;
  close(): Promise<void>;
}

/** A Chromium of one's own with an empty profile; `close` ends it. */
export async function openBrowser(): Promise<TestBrowser> {
  const home = await mkdtemp(join(inject('runDir'), 'browser-'));
  const browser = await chromium.launch({
    executablePath: await findBrowser(),
    headless: true,
    args,
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  });
  const open = async (context: BrowserContext, url: string): Promise<Watched> => {
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.stack ?? String(error)));
    page.on('console', (message) => {
      // A server that is being restarted refuses connections, and the browser says so by itself.
      const isRefused = /WebSocket connection to .* failed/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !isRefused) complaints.push(message.text());
    });
    await page.goto(url);
    return { page, complaints };
  };
  return {
    visit: async (url, options = {}) => open(await browser.newContext(options), url),
    tab: (beside, url) => open(beside.context(), url),
    close: () => browser.close(),
  };
}
