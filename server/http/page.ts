import { readFileSync } from 'node:fs';
import { etagOf, versioned } from './answer.ts';
import { bundle } from './bundle.ts';
import type { Endpoint } from './endpoint.ts';

/*
 * Serves the live seat map (server/page/). Its files are read and bundled once, before the server listens, so that requests never
 * touch the disk. By its security policy the page loads and runs nothing but its own files, and nobody may frame it.
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

/** By path. A fixed list instead of a folder, so that no path can reach any other file. */
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

/** The routes of the page, made once per process. */
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
