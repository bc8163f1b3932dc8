/** The schemas of the wire as JSON Schema, for the API documents. */
import { z } from 'zod';
import { type FaultCode, faultTable } from '../faults.ts';
import { fieldWords } from './words.ts';

export type Json = { readonly [key: string]: unknown };

/** AsyncAPI needs the one, OpenAPI 3.1 the other. */
export type Dialect = 'draft-7' | 'draft-2020-12';

export const schemaRef = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

/** JSON Schemas by name. A schema that is part of another is a reference; every field has a description. */
export function namedSchemas(
  dialect: Dialect,
  named: Readonly<Record<string, z.ZodType>>,
): Record<string, Json> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id });
  const uri = (id: string) => `#/components/schemas/${id}`;
  const { schemas } = z.toJSONSchema(registry, { target: dialect, io: 'input', uri });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, described(schema)]),
  );
}

/** The faults of a union, one schema per code, with its own fields. */
export function faultsByCode(union: Json): Record<FaultCode, Json> {
  const variants = listOf(union['oneOf']).filter(isJson);
  const byCode = variants.flatMap((variant) => {
    const properties = isJson(variant['properties']) ? variant['properties'] : {};
    const code = isJson(properties['code']) ? properties['code'] : {};
    return listOf(code['enum'] ?? [code['const']]).map((value) => [
      value,
      { ...variant, properties: { ...properties, code: { ...code, enum: undefined, const: value } } },
    ]);
  });
  const faults: Record<string, Json> = Object.fromEntries(byCode);
  const entries = Object.entries(faultTable).map(([code, { message }]) => [
    code,
    { title: code, description: message, ...faults[code] },
  ]);
  return Object.fromEntries(entries);
}

function described(value: unknown): Json {
  return isJson(value) ? Object.fromEntries(Object.entries(value).map(describeKeyword)) : {};
}

function describeKeyword([keyword, value]: [string, unknown]): [string, unknown] {
  if (keyword === 'properties' && isJson(value)) {
    const fields = Object.entries(value).map(([name, field]) => [name, describedField(name, field)]);
    return [keyword, Object.fromEntries(fields)];
  }
  if (Array.isArray(value)) return [keyword, value.map((item) => (isJson(item) ? described(item) : item))];
  return [keyword, isJson(value) ? described(value) : value];
}

/** AsyncAPI allows nothing beside a reference; the schema it refers to has its own description. */
function describedField(name: string, field: unknown): Json {
  const schema = described(field);
  const description = '$ref' in schema ? undefined : fieldWords[name];
  return description === undefined ? schema : { ...schema, description };
}

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
