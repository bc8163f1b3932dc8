import { randomBytes } from 'node:crypto';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{server,protocol,load}/**/*.test.ts'],
    // Those need a browser: npm run test:browser.
    exclude: ['**/*.browser.test.ts'],
    globalSetup: 'server/test/harness/global-setup.ts',
    // Everything that a test starts inherits this mark: the leak check at the end looks for it.
    env: { ROWLOCK_TEST_RUN: randomBytes(8).toString('hex') },
    // Processes rather than threads: uWebSockets.js is native code and keeps state per process.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 40_000,
  },
});
