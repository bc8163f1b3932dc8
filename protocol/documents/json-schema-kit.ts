/** Fields of these schemas, at any depth, that nothing says a word about. */
export function undescribed(schemas: unknown, path = ''): string[] {
  if (typeof schemas !== 'object' || schemas === null) return [];
  return Object.entries(schemas).flatMap(([key, value]) => {
    const here = `${path}/${key}`;
    if (key !== 'properties') return undescribed(value, here);
    return Object.entries(value as Record<string, object>).flatMap(([field, schema]) =>
      'description' in schema || '$ref' in schema
        ? undescribed(schema, `${here}/${field}`)
        : [`${here}/${field}`],
    );
  });
}
