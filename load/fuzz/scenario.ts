import fc from 'fast-check';
import { limits } from '../../protocol/index.ts';
import { socketBytes, upgrades } from './bytes.ts';
import { anyText, saleTexts, validFrame } from './frames.ts';
import { pipeline, request, saleRequests } from './requests.ts';

interface Patience {
  /** Each is sent only after the previous one was answered. */
  readonly patient: boolean;
}
interface Parts {
  readonly parts: readonly Buffer[];
}

/** What one connection does to the server. */
export type Scenario =
  /** Frames. `cold`: without a hello before. */
  | ({ readonly kind: 'frames' | 'cold'; readonly texts: readonly string[] } & Patience)
  /** Bytes after a handshake and a hello. */
  | ({ readonly kind: 'bytes' } & Parts)
  | ({ readonly kind: 'upgrade' } & Parts)
  | ({ readonly kind: 'http' } & Parts & Patience);

export type Kind = Scenario['kind'];
export const KINDS: readonly Kind[] = ['frames', 'cold', 'bytes', 'upgrade', 'http'];

const patient = fc.boolean();
const noise = fc.array(anyText(validFrame), { minLength: 1, maxLength: 20 });
/** Texts that are expensive to refuse. Several of them end the connection. */
const heavy = fc.integer({ min: 1_024, max: limits.maxFrameBytes }).map((length) => 'x'.repeat(length));
const flood = fc.array(fc.oneof(heavy, anyText(validFrame)), { minLength: 5, maxLength: 40 });
/** Sales, noise, and sales with noise in between. */
const texts = fc.oneof(
  { weight: 16, arbitrary: noise },
  { weight: 4, arbitrary: saleTexts },
  { weight: 1, arbitrary: flood },
  {
    weight: 4,
    arbitrary: fc
      .tuple(saleTexts, noise)
      .map(([sale, other]) => sale.flatMap((text, i) => [text, ...other.slice(i, i + 1)])),
  },
);
const frames = (kind: 'frames' | 'cold') =>
  fc.record({ texts, patient }).map((it): Scenario => ({ kind, ...it }));
const bytes = fc.array(socketBytes, { minLength: 1, maxLength: 8 });
const http = fc.oneof(
  { weight: 3, arbitrary: fc.record({ parts: pipeline, patient: fc.constant(false) }) },
  { weight: 3, arbitrary: fc.record({ parts: fc.array(request, { minLength: 1, maxLength: 3 }), patient }) },
  { weight: 1, arbitrary: fc.record({ parts: saleRequests, patient: fc.constant(true) }) },
);

export const scenario: fc.Arbitrary<Scenario> = fc.oneof(
  { weight: 6, arbitrary: frames('frames') },
  { weight: 1, arbitrary: frames('cold') },
  { weight: 4, arbitrary: bytes.map((parts): Scenario => ({ kind: 'bytes', parts })) },
  {
    weight: 2,
    arbitrary: fc
      .array(upgrades, { minLength: 1, maxLength: 2 })
      .map((parts): Scenario => ({ kind: 'upgrade', parts })),
  },
  { weight: 5, arbitrary: http.map((it): Scenario => ({ kind: 'http', ...it })) },
);

/** The number of inputs: frames, pieces of bytes, or requests. */
export const inputsOf = (it: Scenario): number => ('texts' in it ? it.texts.length : it.parts.length);
