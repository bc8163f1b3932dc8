import { defineConfig } from 'vitest/config';
import base from './vitest.config.ts';

/** `npm run test:compose`: what needs a Docker engine, and nothing else. */
const { exclude: _, projects: __, ...test } = base.test ?? {};
export default defineConfig({
  test: {
    ...test,
    include: ['server/**/*.compose.test.ts'],
    testTimeout: 180_000,
    bail: 1,
    // A dozen containers are enough for one engine.
    fileParallelism: false,
  },
});
