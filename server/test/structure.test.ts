import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Rooms by layer: a file may import from its own room and from rooms of lower layers. */
const LAYERS = [
  ['protocol'],
  // Runs in browsers: of the server it knows what anybody knows.
  ['server/page'],
  [
    'server/clock.ts',
    'server/closers.ts',
    'server/auth',
    'server/config.ts',
    'server/config',
    'server/limits.ts',
    'server/admission.ts',
    'server/batcher.ts',
    'server/rate-limit.ts',
    'server/reply-times.ts',
    'server/observability',
    'server/stores',
  ],
  ['server/refusals.ts', 'server/feed', 'server/catalogue'],
  ['server/leases'],
  ['server/bookings'],
  ['server/seatmap'],
  ['server/broadcast'],
  ['server/rooms.ts'],
  ['server/session', 'server/http'],
  ['server/app.ts'],
  ['server/dev'],
  ['server/workers'],
  ['server/main.ts', 'load'],
] as const;

/** Packages that only these rooms may import; what is not named here, everybody may. */
const RESERVED: Readonly<Record<string, readonly string[]>> = {
  'uWebSockets.js': ['server/session', 'server/http', 'server/app.ts', 'load/bench'],
  ioredis: ['server/stores'],
  postgres: ['server/stores'],
};

interface Source {
  readonly path: string;
  readonly text: string;
  /** Files of the project by their path, packages by their name. */
  readonly imports: readonly string[];
}

const isTest = (path: string): boolean => path.startsWith('server/test/') || /(\.test|-kit)\.ts$/.test(path);

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !isTest(path))
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const specifiers = [...text.matchAll(/(?:from|import)\s*\(?'([^']+)'/g)].map(
        ([, specifier]) => specifier ?? '',
      );
      const imports = specifiers.map((specifier) =>
        specifier.startsWith('.') ? relative(root, join(root, dirname(path), specifier)) : specifier,
      );
      return { path, text, imports };
    });
}

const sources = ['protocol', 'server', 'load'].flatMap(sourcesIn);
const layerOf = (path: string): number =>
  LAYERS.findIndex((rooms) => rooms.some((room) => path === room || path.startsWith(`${room}/`)));
const roomOf = (path: string): string =>
  LAYERS.flat().find((room) => path === room || path.startsWith(`${room}/`)) ?? path;

describe('structure', () => {
  it('gives every file a room', () => {
    expect(sources.filter(({ path }) => layerOf(path) < 0).map(({ path }) => path)).toEqual([]);
  });

  it('lets imports point one way', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.endsWith('.ts') && roomOf(target) !== roomOf(path))
        .filter((target) => layerOf(target) > layerOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps files free of cycles', () => {
    const importsOf = new Map(sources.map(({ path, imports }) => [path, imports]));
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): string[] => {
      if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(' → ')];
      if (done.has(path)) return [];
      const cycles = (importsOf.get(path) ?? []).flatMap((target) => visit(target, [...trail, path]));
      done.add(path);
      return cycles;
    };
    // Cycles of types alone are erased with them, but a room that needs them is two rooms: they count too.
    expect(sources.flatMap(({ path }) => visit(path, []))).toEqual([]);
  });

  it('keeps stores and sockets behind their rooms', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((name) => RESERVED[name] !== undefined && !RESERVED[name]?.includes(roomOf(path)))
        .filter((name) => !RESERVED[name]?.some((room) => path.startsWith(`${room}/`)))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('starts in a container as npm start does', () => {
    const file = (path: string) => readFileSync(join(root, path), 'utf8');
    const command = JSON.parse(/^CMD (\[.*\])$/m.exec(file('server/Dockerfile'))?.[1] ?? '[]').join(' ');
    expect(JSON.parse(file('package.json')).scripts.start).toBe(`exec ${command}`);
  });

  it('names no test file that is not there', () => {
    const texts = ['.github', 'load', 'protocol', 'server'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.(md|patch)$/.test(file))
        .map((file) => join(folder, file)),
    );
    const named = ['README.md', ...texts].flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/(?<=[`( ])[\w-]+\/[\w./-]+\.test\.ts/g)].map(
        ([test]) => ({ path, test }),
      ),
    );
    expect(named.length).toBeGreaterThan(50);
    expect(named.filter(({ test }) => !existsSync(join(root, test)))).toEqual([]);
  });

  it('reads the environment in one place', () => {
    const readers = sources.filter(({ text }) => text.includes('process.env')).map(({ path }) => path);
    expect(readers).toEqual(['server/config.ts']);
  });

  it('keeps zod out of the client: of the schemas it imports types alone', () => {
    const plain = ['close-codes', 'limits', 'version'].map((name) => `protocol/${name}.ts`);
    const isClient = (path: string): boolean => /^protocol\/client(\/|\.ts$)/.test(path);
    const wrong = sources
      .filter(({ path }) => isClient(path))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/^(?:import|export) (?!type )[^;]*? from '([^']+)'/gm)]
          .map(([, specifier = '']) => relative(root, join(root, dirname(path), specifier)))
          .filter((target) => !isClient(target) && !plain.includes(target))
          .map((target) => `${path} imports ${target}`),
      );
    const impure = sources.filter(({ path, imports }) => plain.includes(path) && imports.length > 0);
    expect([...wrong, ...impure.map(({ path }) => path)]).toEqual([]);
  });

  it('lets the protocol import zod alone', () => {
    const foreign = sources
      .filter(({ path }) => path.startsWith('protocol/'))
      .flatMap(({ imports }) => imports.filter((name) => name !== 'zod' && !name.startsWith('protocol/')));
    expect(foreign).toEqual([]);
  });
});
