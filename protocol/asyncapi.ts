/** The AsyncAPI document of the WebSocket, as seen by the server; made from the schemas and the golden frames. */
import { type ClientFrame, clientFrame } from './client-frames.ts';
import { closeCodes, mayReconnect } from './close-codes.ts';
import { faultsByCode, type Json, namedSchemas, schemaRef } from './documents/json-schemas.ts';
import { clientWords, closeWords, commonRefusals, serverWords } from './documents/words.ts';
import { conflict, faultTable } from './faults.ts';
import { goldenClientFrames, goldenErrors, goldenServerFrames } from './golden.ts';
import { limits } from './limits.ts';
import { leasedSeats, position, seatStates, showSeats } from './seats.ts';
import { booking, errorFrame, type ServerFrame, serverFrame } from './server-frames.ts';
import { protocolVersion, subprotocol } from './version.ts';

type FrameType = ClientFrame['type'] | ServerFrame['type'];

const CHANNEL = 'rowlock';
const allTypes: readonly FrameType[] = [
  ...(Object.keys(clientWords) as ClientFrame['type'][]),
  ...(Object.keys(serverWords) as ServerFrame['type'][]),
];
/** Pushes: frames that are no reply. */
const pushes = [
  'snapshot',
  'delta',
  'lease_lost',
  'draining',
  'error',
] as const satisfies ServerFrame['type'][];

export function asyncApiDocument(): Json {
  return {
    asyncapi: '3.0.0',
    id: 'urn:rowlock:websocket',
    info: {
      title: 'Rowlock',
      version: `${protocolVersion}.0.0`,
      description:
        'Watch the seats of a show live, lease them, book them. One JSON object per text frame. Every frame of a client has an `id` and gets exactly one reply with it; frames without `id` are pushes. Replies may come in another order than their frames were sent.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    defaultContentType: 'application/json',
    servers: {
      plain: server('ws', 'As `npm start` and the compose file serve it.'),
      secure: server('wss', 'Behind a proxy that ends TLS, which is how to offer it to the public.'),
    },
    channels: { [CHANNEL]: channel() },
    operations: { ...clientOperations(), ...pushOperations() },
    components: {
      messages: messages(),
      schemas: schemas(),
      correlationIds: {
        frame: { location: '$message.payload#/id', description: 'A reply carries the id of its request.' },
      },
      securitySchemes: {
        user: {
          type: 'apiKey',
          in: 'user',
          description:
            'A JWT (HS256, RS256, ES256 or EdDSA) in `token` of `hello`, its `sub` being the user. Servers that authenticate nobody need none.',
        },
      },
    },
  };
}

const server = (protocol: string, description: string): Json => ({
  host: '{host}',
  protocol,
  description,
  variables: { host: { default: 'localhost:8080', description: 'Host and port of the server.' } },
});

const messageRef = (type: string): Json => ({ $ref: `#/channels/${CHANNEL}/messages/${type}` });

function channel(): Json {
  return {
    address: '/ws',
    title: 'The socket',
    summary: 'Everything between one client and the server.',
    description: [
      `Offer the subprotocol \`${subprotocol}\`, or none. A text frame from a client holds at most ${limits.maxFrameBytes} bytes; a binary one closes the socket.`,
      'Refused before it is a socket, with an error body as over HTTP: 400 for another subprotocol, 403 for a foreign Origin, 429 for too many connections from one address.',
      'Close codes from 4000 to 4499: connect again and resume. From 4500: do not come back unchanged.',
      ...Object.entries(closeWords).map(
        ([name, why]) => `- ${closeCodes[name as keyof typeof closeCodes]}: ${why}`,
      ),
    ].join('\n'),
    servers: [{ $ref: '#/servers/plain' }, { $ref: '#/servers/secure' }],
    messages: Object.fromEntries(allTypes.map((type) => [type, { $ref: `#/components/messages/${type}` }])),
    bindings: {
      ws: {
        method: 'GET',
        headers: {
          type: 'object',
          properties: { 'Sec-WebSocket-Protocol': { type: 'string', const: subprotocol } },
        },
        bindingVersion: '0.1.0',
      },
    },
    'x-close-codes': closeCodeList(),
    'x-limits': limits,
  };
}

function closeCodeList(): Json[] {
  return Object.entries(closeWords).map(([name, description]) => {
    const code = closeCodes[name as keyof typeof closeCodes];
    return { code, name, description, reconnect: mayReconnect(code) };
  });
}

/** What the server receives, and what it replies. */
function clientOperations(): Json {
  const operations = Object.entries(clientWords).map(([type, words]) => [
    type,
    {
      action: 'receive',
      channel: { $ref: `#/channels/${CHANNEL}` },
      title: type,
      summary: words.summary,
      description: words.description,
      messages: [messageRef(type)],
      reply: {
        channel: { $ref: `#/channels/${CHANNEL}` },
        messages: [...words.answers, 'error'].map(messageRef),
      },
      ...(type === 'hello' ? { security: [{ $ref: '#/components/securitySchemes/user' }] } : {}),
      'x-refusals': [...commonRefusals, ...words.refusals],
    },
  ]);
  return Object.fromEntries(operations);
}

function pushOperations(): Json {
  const operations = pushes.map((type) => [
    `push_${type}`,
    {
      action: 'send',
      channel: { $ref: `#/channels/${CHANNEL}` },
      title: `${type}, pushed`,
      summary: serverWords[type].summary,
      description: serverWords[type].description,
      messages: [messageRef(type)],
    },
  ]);
  return Object.fromEntries(operations);
}

function messages(): Json {
  const goldens = [...goldenClientFrames, ...goldenServerFrames, ...goldenErrors];
  const words: Readonly<Record<FrameType, { summary: string; description: string }>> = {
    ...clientWords,
    ...serverWords,
  };
  const entries = allTypes.map((type) => {
    const examples = goldens.filter((frame) => frame.type === type);
    const { summary, description } = words[type];
    const replies = !['lease_lost', 'draining'].includes(type);
    return [
      type,
      {
        name: type,
        title: type,
        summary,
        description,
        contentType: 'application/json',
        payload: schemaRef(type),
        ...(replies ? { correlationId: { $ref: '#/components/correlationIds/frame' } } : {}),
        examples: examples.map((payload, i) => ({ name: `${type}-${i + 1}`, payload })),
        ...(type === 'error' ? { 'x-error-codes': errorCodes() } : {}),
      },
    ];
  });
  return Object.fromEntries(entries);
}

const errorCodes = (): Json[] =>
  Object.entries(faultTable).map(([code, { message, retryable }]) => ({ code, retryable, message }));

/** The schemas: every frame by its type, every refusal as `error.<code>`, and their parts. */
function schemas(): Json {
  const frames = [...clientFrame.options, ...serverFrame.options].flatMap((frame) =>
    'shape' in frame ? [[frame.shape.type.value, frame] as const] : [],
  );
  const parts = { Booking: booking, Conflict: conflict, LeasedSeats: leasedSeats, Position: position };
  const { error = {}, ...made } = namedSchemas('draft-7', {
    ...Object.fromEntries(frames),
    ...parts,
    SeatStates: seatStates,
    ShowSeats: showSeats,
    error: errorFrame,
  });
  const faults = Object.entries(faultsByCode(error)).map(
    ([code, schema]) => [`error.${code}`, schema] as const,
  );
  return {
    ...made,
    ...Object.fromEntries(faults),
    error: { title: 'error', oneOf: faults.map(([name]) => schemaRef(name)) },
  };
}
