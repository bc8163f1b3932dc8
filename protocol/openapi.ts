/** The OpenAPI document of the HTTP calls: made from the schemas and the golden exchanges. */
import { z } from 'zod';
import { calls, type HttpCall } from './documents/calls.ts';
import { faultsByCode, type Json, namedSchemas, schemaRef } from './documents/json-schemas.ts';
import { fieldWords } from './documents/words.ts';
import { conflict, type FaultCode, faultSchema, faultTable } from './faults.ts';
import { goldenFaults, goldenHttp } from './golden.ts';
import * as http from './http.ts';
import { requestId, showId } from './ids.ts';
import { seatStates } from './seats.ts';
import { booking } from './server-frames.ts';
import { protocolVersion } from './version.ts';

export function openApiDocument(): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Rowlock over HTTP',
      version: `${protocolVersion}.0.0`,
      summary: 'Lease and book seats, read the catalogue and the maps, look after the server.',
      description:
        'For shops that call from a backend, and for whoever runs the server. Watching is for WebSocket: GET /asyncapi.json. Unknown fields are refused; a refusal is an error body with the status of its code.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The server that this document comes from.' }],
    tags: [
      { name: 'seats', description: 'Leasing and booking. Leases taken here end by their TTL alone.' },
      { name: 'catalogue', description: 'Shows, their seats, their maps.' },
      { name: 'support', description: 'For the people of the shop. Needs the token of the admin.' },
      { name: 'operation', description: 'For whoever runs the server.' },
      { name: 'pages', description: 'For browsers.' },
    ],
    paths: paths(),
    components: {
      schemas: schemas(),
      parameters: parameters(),
      headers: {
        etag: { description: 'Version of the answer.', schema: { type: 'string' } },
        'retry-after': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 0 } },
      },
      securitySchemes: {
        user: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'A JWT whose `sub` is `user_id`, where the server authenticates users; else nothing.',
        },
        admin: { type: 'http', scheme: 'bearer', description: '`ADMIN_TOKEN` of the server.' },
      },
    },
  };
}

type Exchange = Readonly<Record<'request' | 'response', unknown>>;
const goldens: Readonly<Record<string, Partial<Exchange>>> = goldenHttp;

/** Optional as a whole, since a server may run without authentication. */
const security: Readonly<Record<NonNullable<HttpCall['needs']> | 'nobody', readonly Json[]>> = {
  nobody: [],
  user: [{ user: [] }, {}],
  'user or admin': [{ user: [] }, { admin: [] }, {}],
  admin: [{ admin: [] }],
};

function paths(): Json {
  const paths: Record<string, Json> = {};
  for (const [name, call] of Object.entries(calls)) {
    const [method = '', pattern = ''] = name.split(' ');
    const path = pattern.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation(name, call) };
  }
  return paths;
}

function operation(name: string, call: HttpCall): Json {
  const { operationId, tag, summary, description = summary, body, needs = 'nobody' } = call;
  const parameters = [...name.matchAll(/:(\w+)/g)].map(([, id]) => id);
  if (call.versioned) parameters.push('ifNoneMatch');
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    parameters: parameters.map((id) => ({ $ref: `#/components/parameters/${id}` })),
    ...(body === undefined ? {} : { requestBody: requestBody(body, goldens[name]?.request) }),
    responses: { ...answers(name, call), ...refusals(call.refusals) },
    security: security[needs],
  };
}

const requestBody = (schema: z.ZodType, example: unknown): Json => ({
  required: true,
  content: { 'application/json': { schema: schemaRef(nameOf(schema)), example } },
});

function answers(name: string, { status = 200, answer, versioned, summary, operationId }: HttpCall): Json {
  const headers = versioned ? { headers: { ETag: { $ref: '#/components/headers/etag' } } } : {};
  const success = { description: summary, ...headers, content: content(answer, goldens[name]?.response) };
  return {
    [status]: success,
    ...(operationId === 'readyz' ? { 503: { ...success, description: 'Not now.' } } : {}),
    ...(versioned ? { 304: { description: 'The client has this version.', ...headers } } : {}),
  };
}

function content(answer: HttpCall['answer'], example: unknown): Json {
  if (!(answer instanceof z.ZodType)) {
    const isText = answer.type.startsWith('text/');
    const schema = { type: isText ? 'string' : 'object', description: answer.description };
    return { [answer.type]: { schema } };
  }
  const schema = schemaRef(nameOf(answer));
  return { 'application/json': { schema, ...(example === undefined ? {} : { example }) } };
}

/** Grouped by status, as OpenAPI requires; `code` distinguishes the refusals of one status. */
function refusals(codes: readonly FaultCode[]): Json {
  const byStatus = new Map<number, FaultCode[]>();
  for (const code of new Set(codes)) {
    const { httpStatus } = faultTable[code];
    byStatus.set(httpStatus, [...(byStatus.get(httpStatus) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, same]) => [status, refusal(same)]));
}

function refusal(codes: readonly FaultCode[]): Json {
  const refs = codes.map((code) => schemaRef(`error.${code}`));
  const examples = codes.map((code) => [
    code,
    { value: goldenFaults.find((golden) => golden.code === code) },
  ]);
  const pauses = codes.some((code) => faultTable[code].retryable);
  return {
    description: codes.map((code) => `\`${code}\`: ${faultTable[code].message}`).join('\n\n'),
    ...(pauses ? { headers: { 'Retry-After': { $ref: '#/components/headers/retry-after' } } } : {}),
    content: {
      'application/json': {
        schema: refs.length === 1 ? refs[0] : { oneOf: refs },
        examples: Object.fromEntries(examples),
      },
    },
  };
}

const parts = {
  SeatLockBody: http.seatLockBody,
  SeatLockResponse: http.seatLockResponse,
  SeatUnlockResponse: http.seatUnlockResponse,
  BookingConfirmBody: http.bookingConfirmBody,
  BookingConfirmResponse: http.bookingConfirmResponse,
  CreateShowBody: http.createShowBody,
  ShowSummary: http.showSummary,
  ShowsResponse: http.showsResponse,
  ShowResponse: http.showResponse,
  ShowSeatsResponse: http.showSeatsResponse,
  BookingResponse: http.bookingResponse,
  LivezResponse: http.livezResponse,
  ReadyzResponse: http.readyzResponse,
  SeatLayout: http.seatLayout,
  Booking: booking,
  Conflict: conflict,
  SeatStates: seatStates,
};

function nameOf(schema: z.ZodType): string {
  const found = Object.entries(parts).find(([, part]) => part === schema);
  if (found === undefined) throw new Error('a schema of the HTTP calls has no name in the document');
  return found[0];
}

function schemas(): Json {
  const { Error: fault = {}, ...made } = namedSchemas('draft-2020-12', { ...parts, Error: faultSchema });
  const faults = Object.entries(faultsByCode(fault)).map(
    ([code, schema]) => [`error.${code}`, schema] as const,
  );
  const mapping = Object.keys(faultTable).map((code) => [code, `#/components/schemas/error.${code}`]);
  const anyFault = {
    description: 'Any refusal.',
    oneOf: faults.map(([name]) => schemaRef(name)),
    discriminator: { propertyName: 'code', mapping: Object.fromEntries(mapping) },
  };
  return { ...made, ...Object.fromEntries(faults), Error: anyFault };
}

function parameters(): Json {
  const named = namedSchemas('draft-2020-12', { showId, requestId });
  const inPath = Object.entries(named).map(([name, schema]) => [
    name,
    { name, in: 'path', required: true, description: fieldWords[name], schema },
  ]);
  const ifNoneMatch = {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of the version that the client has.',
    schema: { type: 'string' },
  };
  return { ...Object.fromEntries(inPath), ifNoneMatch };
}
