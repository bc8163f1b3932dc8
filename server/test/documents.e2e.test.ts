import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDemoShow } from '../dev/demo.ts';
import { createLog } from '../observability/log.ts';
import { ADMIN_TOKEN, openStage, type TestApp, type TestStage } from './harness/app-kit.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

const isDocument = (path: string) => path.endsWith('.md') && !path.includes('node_modules');
const found = ['protocol', 'server', 'load', '.github'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
);
const documents = ['README.md', ...found.filter(isDocument)].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));

/** Why a command is not run here; what matches none of these is. */
const NOT_RUN: readonly (readonly [command: RegExp, why: string])[] = [
  [/^npm (test|run typecheck)/, 'this is it; and .ci/run'],
  [/^npm run setup/, 'installs: setup.e2e.test.ts and main.e2e.test.ts run both halves on a copy'],
  [/^npm ci /, 'would take the packages of the tests away; the Dockerfile does it'],
  [/^npm start$/, 'runs until it is stopped: main.e2e.test.ts starts it'],
  [/^DATABASE_URL=.* npm start$/, 'names stores that are not there: main.e2e.test.ts starts it so'],
  [/^npm run (load|bench|chaos|soak|fuzz|mutants|verify)\b/, 'takes minutes; what it names is checked below'],
  [/^(old=\$\(|SERVERS=\d )?docker compose |^for id in \$old/, 'needs an engine: npm run test:compose'],
  [/^pg_(dump|restore) /, "PostgreSQL's own tools, which the embedded one comes without"],
];

interface Command {
  readonly path: string;
  readonly command: string;
}

/** Lines of `sh` blocks; one goes on while a quote is open or it ends in `\` or `|`. Comments are taken away. */
function commandsIn({ path, text }: { path: string; text: string }): Command[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  return blocks.flatMap((block) => {
    const commands: string[] = [];
    let open = '';
    for (const line of block.split('\n')) {
      open += open === '' ? line : `\n${line}`;
      const quotes = open.split("'").length - 1;
      if (quotes % 2 === 1 || /[\\|]$/.test(open)) continue;
      if (open.trim() !== '') commands.push(open.replace(/\s+# .*$/, '').trim());
      open = '';
    }
    return commands.map((command) => ({ path, command }));
  });
}

const commands = documents.flatMap(commandsIn);
const whyNot = (command: string) => NOT_RUN.find(([pattern]) => pattern.test(command))?.[1];
const runnable = commands.filter(({ command }) => whyNot(command) === undefined);

/** What a command prints, beside ending with 0. */
const PRINTS: readonly (readonly [command: RegExp, printed: RegExp])[] = [
  [/try\.mjs/, /"type":"confirmed".*"replayed":false/],
  [/-X POST .*\/shows/, /^\{"id":"premiere","name":"Premiere","seats":3\}$/],
  [/\/readyz/, /"ready":true/],
  [/\/metrics/, /^rowlock_connections \d/m],
  [/\/openapi\.json/, /"openapi":"3\.1/],
];

describe('the commands of the documents', () => {
  let stage: TestStage;
  let app: TestApp;
  beforeAll(async () => {
    stage = await openStage();
    await createDemoShow(stage.database.url, createLog('silent'));
    app = await stage.start();
  });
  afterAll(() => stage.close());

  it('are there', () => {
    expect(runnable.length).toBeGreaterThanOrEqual(PRINTS.length);
  });

  it.each(runnable)('$path: $command', async ({ command }) => {
    const here = command.replaceAll('127.0.0.1:8080', `127.0.0.1:${app.port}`);
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', here], {
      cwd: root,
      env: { ...process.env, ADMIN_TOKEN },
      timeout: 15_000,
    });
    const printed = PRINTS.find(([pattern]) => pattern.test(command))?.[1];
    expect(printed, 'say in PRINTS what it prints').toBeDefined();
    expect(stdout).toMatch(printed ?? /^/);
  });

  it('that are not run still exist, every one', () => {
    const unused = NOT_RUN.filter(([pattern]) => !commands.some(({ command }) => pattern.test(command)));
    expect(unused.map(([, why]) => why)).toEqual([]);
  });

  it('name scripts, scenarios and benches that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const scenarios = readdirSync(join(root, 'load/scenarios')).map((file) => file.replace(/\.yml$/, ''));
    const benches = readdirSync(join(root, 'load/bench'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    const names: Readonly<Record<string, readonly string[]>> = {
      load: [...scenarios, 'all', 'ci'],
      bench: benches,
    };
    const wrong = commands.filter(({ command }) => {
      const [, script, argument] = /^npm run (\w+)(?: -- ([a-z][\w-]*))?/.exec(command) ?? [];
      if (script === undefined) return false;
      const known = names[script];
      return !(script in scripts) || (argument !== undefined && known?.includes(argument) === false);
    });
    expect(wrong).toEqual([]);
  });
});

describe('the links of the documents', () => {
  /** As GitHub makes them: lower case, spaces to hyphens, punctuation gone. */
  const anchorOf = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
  const anchorsIn = (path: string) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      anchorOf(heading),
    );

  it('lead somewhere', () => {
    const links = documents.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => ({ path, link })),
    );
    expect(links.length).toBeGreaterThan(40);
    const dead = links.filter(({ path, link }) => {
      if (/^https?:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsIn(target).includes(anchor);
    });
    expect(dead).toEqual([]);
  });
});
