import { type Answer, etagOf, versioned } from './answer.ts';
import { bundle } from './bundle.ts';
import type { RequestHead } from './exchange.ts';

export const bundleClient = (options: { minify: boolean }): string => bundle('protocol/client.ts', options);

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
