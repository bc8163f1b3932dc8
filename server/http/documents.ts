import { type Answer, etagOf, versioned } from './answer.ts';
import type { Endpoint } from './endpoint.ts';

interface Document {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/**
 * Machine-readable descriptions of the protocol. Made when they are first asked for, and their modules loaded then, because
 * most servers are never asked for them.
 */
export const documents: Readonly<Record<'asyncApi' | 'openApi', Endpoint>> = {
  asyncApi: serving(async () => (await import('../../protocol/asyncapi.ts')).asyncApiDocument()),
  openApi: serving(async () => (await import('../../protocol/openapi.ts')).openApiDocument()),
};

function serving(make: () => Promise<object>): Endpoint {
  let made: Promise<Document> | undefined;
  return {
    run: async ({ head }): Promise<Answer> => {
      made ??= make().then(encoded);
      const { bytes, etag } = await made;
      return versioned(etag, head.headers.get('if-none-match'), () => bytes);
    },
  };
}

function encoded(document: object): Document {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, etag: etagOf(bytes) };
}
