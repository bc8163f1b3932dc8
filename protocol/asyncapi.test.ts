import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { asyncApiDocument } from './asyncapi.ts';
import { clientFrame } from './client-frames.ts';
import { closeCodes } from './close-codes.ts';
import { undescribed } from './documents/json-schema-kit.ts';
import { faultTable } from './faults.ts';
import { goldenClientFrames, goldenErrors, goldenServerFrames } from './golden.ts';

const text = JSON.stringify(asyncApiDocument());
const { document, diagnostics } = await new Parser().parse(text);
if (document === undefined) throw new Error(JSON.stringify(diagnostics));
const messages = document.components().messages();
const operations = document.operations();

/** What the parser finds wrong, and what is only a matter of taste. */
const [error, warning] = [0, 1];

describe('the AsyncAPI document', () => {
  it('is one, as the official parser has it, without so much as a warning', () => {
    const found = diagnostics.filter(({ severity }) => severity === error || severity === warning);
    expect(found.map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`)).toEqual([]);
  });

  it('has an operation for every frame of a client, and tells its replies', () => {
    const received = operations.filterByReceive().map((operation) => operation.id());
    expect(received.toSorted()).toEqual(clientFrame.options.map(({ shape }) => shape.type.value).toSorted());
    for (const operation of operations.filterByReceive()) {
      const replies = operation
        .reply()
        ?.messages()
        .map((message) => message.name());
      expect(replies?.length).toBeGreaterThan(1);
      expect(replies).toContain('error');
    }
  });

  it('has every frame of the server, as a reply or as a push', () => {
    const sent = operations.flatMap((operation) => {
      const own = operation.isSend() ? operation.messages().all() : [];
      return [...own, ...(operation.reply()?.messages().all() ?? [])].map((message) => message.name());
    });
    const types = [...goldenServerFrames, ...goldenErrors].map(({ type }) => type);
    expect([...new Set(sent)].toSorted()).toEqual([...new Set(types)].toSorted());
  });

  it('shows every golden frame, in the message that it is', () => {
    const goldens = [...goldenClientFrames, ...goldenServerFrames, ...goldenErrors];
    for (const golden of goldens) {
      const examples = messages
        .get(golden.type)
        ?.examples()
        .map((example) => example.payload());
      expect(examples).toContainEqual(golden);
    }
    expect(messages.flatMap((message) => message.examples().all())).toHaveLength(goldens.length);
  });

  it('has schemas that take every golden frame, and not without its type', () => {
    const ajv = new Ajv({ strict: false }).addSchema({ components: JSON.parse(text).components }, 'document');
    for (const golden of [...goldenClientFrames, ...goldenServerFrames, ...goldenErrors]) {
      const validate = ajv.getSchema(`document#/components/schemas/${golden.type}`);
      expect(validate?.(golden), JSON.stringify(validate?.errors)).toBe(true);
      expect(validate?.({ ...golden, type: 'other' })).toBe(false);
      expect(validate?.({ ...golden, more: 1 })).toBe(false);
    }
  });

  it('tells every refusal with its fields, and every close code', () => {
    const { components, channels } = JSON.parse(text);
    for (const [code, { message }] of Object.entries(faultTable)) {
      const schema = components.schemas[`error.${code}`];
      expect(schema).toMatchObject({ title: code, description: message });
      const golden = goldenErrors.find((frame) => frame.code === code) ?? {};
      expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(golden)));
    }
    const codes = channels.rowlock['x-close-codes'].map(({ code }: { code: number }) => code);
    expect(codes.toSorted()).toEqual(Object.values(closeCodes).toSorted());
  });

  it('describes every field', () => {
    expect(undescribed(JSON.parse(text).components.schemas)).toEqual([]);
  });
});
