import { type Answer, etagOf, versioned } from './answer.ts';
import { bundle } from './bundle.ts';
import type { RequestHead } from './exchange.ts';

export const bundleClient = (options: { minify: boolean }): string => bundle('protocol/client.ts', options);

/** Built once per process, before its first server listens, because bundling blocks the event loop for 20 ms. */
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
        // Lets pages of any origin import the module. Which of them may connect is up to ALLOWED_ORIGINS.
        'access-control-allow-origin': '*',
      }),
  };
}
