import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const [rules, tests] = [pathOf('alerts.yml'), pathOf('alerts.test.yml')];

/** Prometheus' own tool; nothing that the project installs brings it (.ci/run fetches it where Debian's package can be had). */
const hasPromtool = (() => {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

it('every alert is tested', () => {
  const named = (file: string, key: string) =>
    new Set(
      [...readFileSync(file, 'utf8').matchAll(new RegExp(`\\b${key}: (\\w+)`, 'g'))].map(([, name]) => name),
    );
  expect(named(tests, 'alertname')).toEqual(named(rules, 'alert'));
});

it.runIf(hasPromtool)(
  'each alert fires when it should, and is quiet when it should not (promtool)',
  async () => {
    await expect(run('promtool', ['check', 'rules', rules])).resolves.toBeDefined();
    await expect(run('promtool', ['test', 'rules', tests])).resolves.toBeDefined();
  },
);
