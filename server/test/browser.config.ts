import { defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

/** `npm run test:browser`: what needs a Chromium, and nothing else. */
const { exclude: _, projects: __, ...test } = base.test ?? {};
export default defineConfig({
  test: {
    ...test,
    include: ['server/**/*.browser.test.ts'],
    globalSetup: 'server/test/harness/global-setup.ts',
  },
});
