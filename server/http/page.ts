import { readFileSync } from 'node:fs';
import { etagOf, versioned } from './answer.ts';
import { bundle } from './bundle.ts';
import type { Endpoint } from './endpoint.ts';

/*
 * The live seat map of server/page/, read and put together once, before the server listens: requests touch no disk. It may
 * load nothing from elsewhere, run nothing that is not a file of its own, and be framed by nobody.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

const read = (name: string) => readFileSync(new URL(`../page/${name}`, import.meta.url));

interface PageFile {
  readonly type: string;
  readonly bytes: () => string | Uint8Array;
}

/** By path. A list rather than a folder: what is not in it is not served, whatever a path spells. */
const files: Readonly<Record<string, PageFile>> = {
  '/': { type: 'text/html; charset=utf-8', bytes: () => read('index.html') },
  '/page/page.css': { type: 'text/css; charset=utf-8', bytes: () => read('page.css') },
  '/page/main.js': {
    type: 'text/javascript; charset=utf-8',
    bytes: () => bundle('server/page/main.ts', { minify: true }),
  },
  '/page/icon.svg': { type: 'image/svg+xml', bytes: () => read('icon.svg') },
  '/page/figtree.woff2': { type: 'font/woff2', bytes: () => read('fonts/figtree.woff2') },
};

let made: Readonly<Record<string, { get: Endpoint }>> | undefined;

/** The page's routes, made once for all servers of this process. */
export function pageRoutes(): Readonly<Record<string, { get: Endpoint }>> {
  made ??= Object.fromEntries(Object.entries(files).map(([path, file]) => [path, { get: endpointOf(file) }]));
  return made;
}

function endpointOf({ type, bytes }: PageFile): Endpoint {
  const body = bytes();
  const etag = etagOf(body);
  const headers = { ...HEADERS, 'content-type': type };
  return { run: ({ head }) => versioned(etag, head.headers.get('if-none-match'), () => body, headers) };
}
