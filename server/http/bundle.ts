import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/**
 * A module of the project as one module of plain JavaScript for browsers: its files put together, their types taken out.
 * @param entry from the top of the project
 */
export function bundle(entry: string, { minify }: { minify: boolean }): string {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL(`../../${entry}`, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    // Private fields are as old as that in every browser that people still use.
    target: 'es2022',
    minify,
    // Else it reads whichever tsconfig.json lies around.
    tsconfigRaw: {},
  });
  return new TextDecoder().decode(outputFiles[0]?.contents);
}
