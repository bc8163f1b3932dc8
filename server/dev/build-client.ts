/**
 * npm prepack: puts `rowlock/client` into `dist/`, as one module of plain JavaScript and its declarations. Those need no
 * package, zod least of all: what they reach is copied, and reaches nothing else.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleClient } from '../http/client-module.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = join(root, 'dist');

/** Declarations of everything that the client is made of. */
function declare(into: string): void {
  const packageFile = createRequire(import.meta.url).resolve('typescript/package.json');
  const tsc = join(dirname(packageFile), 'bin', 'tsc');
  const args = ['-p', join(root, 'protocol/client/tsconfig.json'), '--outDir', into];
  execFileSync(process.execPath, [tsc, ...args], { stdio: 'inherit' });
}

/** A file and, once each, those that it imports. */
function copy(from: string, file: string, done = new Set<string>()): void {
  if (done.has(file)) return;
  done.add(file);
  const text = readFileSync(join(from, file), 'utf8');
  for (const [, specifier = ''] of text.matchAll(/from '([^']+)'/g)) {
    if (!specifier.startsWith('.')) throw new Error(`${file} needs the package ${specifier}`);
    copy(from, join(dirname(file), specifier.replace(/\.ts$/, '.d.ts')), done);
  }
  const target = join(dist, file);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text.replaceAll(/(from '[^']+)\.ts'/g, "$1.js'"));
}

rmSync(dist, { recursive: true, force: true });
const declarations = mkdtempSync(join(tmpdir(), 'rowlock-client-'));
try {
  declare(declarations);
  copy(declarations, 'client.d.ts');
} finally {
  rmSync(declarations, { recursive: true, force: true });
}
writeFileSync(join(dist, 'client.js'), bundleClient({ minify: false }));
