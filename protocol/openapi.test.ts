import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { calls } from './documents/calls.ts';
import { undescribed } from './documents/json-schema-kit.ts';
import { faultTable } from './faults.ts';
import { goldenFaults, goldenHttp } from './golden.ts';
import { openApiDocument } from './openapi.ts';

const document = JSON.parse(JSON.stringify(openApiDocument()));
const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true } }).addSchema(document, 'document');

const operationOf = (call: string) => {
  const [method = '', path = ''] = call.split(' ');
  return document.paths[path.replace(/:(\w+)/g, '{$1}')][method.toLowerCase()];
};

const validators = new Map<string, ReturnType<typeof ajv.compile>>();

function expectFits(schema: unknown, value: unknown): void {
  const reference = JSON.stringify(schema).replaceAll('"#/', '"document#/');
  const validate = validators.get(reference) ?? ajv.compile(JSON.parse(reference));
  validators.set(reference, validate);
  expect(validate(value), JSON.stringify(validate.errors)).toBe(true);
}

describe('the OpenAPI document', () => {
  it('is one, of version 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
  });

  it('shows the golden exchange of every call, and has schemas that take it', () => {
    for (const [call, golden] of Object.entries(goldenHttp)) {
      const { requestBody, responses } = operationOf(call);
      const success = (responses[200] ?? responses[201]).content['application/json'];
      expect(success.example).toEqual(golden.response);
      expectFits(success.schema, golden.response);
      expect(requestBody === undefined).toBe(!('request' in golden));
      if (!('request' in golden)) continue;
      const body = requestBody.content['application/json'];
      expect(body.example).toEqual(golden.request);
      expectFits(body.schema, golden.request);
    }
  });

  it('tells the refusals of each call under their status, with an example of each that fits', () => {
    for (const [call, { refusals }] of Object.entries(calls)) {
      const { responses } = operationOf(call);
      for (const code of new Set(refusals)) {
        const { schema, examples } = responses[faultTable[code].httpStatus].content['application/json'];
        expect(examples[code].value).toEqual(goldenFaults.find((golden) => golden.code === code));
        expectFits(schema, examples[code].value);
      }
    }
  });

  it('has a schema for every refusal', () => {
    for (const golden of goldenFaults) {
      expectFits({ $ref: `#/components/schemas/error.${golden.code}` }, golden);
      expectFits({ $ref: '#/components/schemas/Error' }, golden);
    }
  });

  it('describes every call and every field', () => {
    expect(undescribed(document.components.schemas)).toEqual([]);
    for (const call of Object.keys(calls)) expect(operationOf(call).description).not.toBe('');
  });
});
