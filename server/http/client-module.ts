import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { type Answer, etagOf, versioned } from './answer.ts';
import type { RequestHead } from './exchange.ts';

const source = fileURLToPath(new URL('../../protocol/client.ts', import.meta.url));

/** The client as one module of plain JavaScript: its files put together, their types taken out. */
export function bundleClient({ minify }: { minify: boolean }): string {
  const { outputFiles } = buildSync({
    entryPoints: [source],
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

/** Once for all servers of this process, before the first of them listens: 20 ms, in which nobody waits for anything. */
let built: { readonly body: string; readonly etag: string } | undefined;

function build() {
  const body = bundleClient({ minify: true });
  built = { body, etag: etagOf(body) };
  return built;
}

/** `GET /client.js`, for `import { connect } from …` in any page. */
export function clientEndpoint(): { run: (request: { head: RequestHead }) => Answer } {
  const { body, etag } = built ?? build();
  return {
    run: ({ head }) =>
      versioned(etag, head.headers.get('if-none-match'), () => body, {
        'content-type': 'text/javascript; charset=utf-8',
        // Pages import modules of other origins only if those agree; what may connect is ALLOWED_ORIGINS' to say.
        'access-control-allow-origin': '*',
      }),
  };
}
