import { randomBytes } from 'node:crypto';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Those need a browser, or a Docker engine: npm run test:browser, test:compose.
    exclude: ['**/*.browser.test.ts', '**/*.compose.test.ts'],
    // Everything that a test starts inherits this mark: the leak check at the end looks for it.
    env: { ROWLOCK_TEST_RUN: randomBytes(8).toString('hex') },
    // Processes rather than threads: uWebSockets.js is native code and keeps state per process.
    pool: 'forks',
    maxWorkers: 2,
    // For what hangs. Most take a second; beside other work on two cores some have taken twenty.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000, interval: 20 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'one',
          include: ['{server,protocol,load}/**/*.test.ts'],
          globalSetup: 'server/test/harness/global-setup.ts',
        },
      },
      {
        // The rooms that talk to Redis once more, on a cluster of three masters.
        extends: true,
        test: {
          name: 'cluster',
          include: ['server/{leases,feed,seatmap}/*.redis.test.ts'],
          exclude: ['server/seatmap/large-show.redis.test.ts'],
          globalSetup: 'server/test/harness/cluster-setup.ts',
        },
      },
    ],
  },
});
