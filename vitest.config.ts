export { default } from './server/test/vitest.config.ts';
