/** Which keys a JSON schema knows, and where. */

export interface JsonSchema {
  description?: string;
  type?: string;
  properties?: Readonly<Record<string, JsonSchema>>;
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: readonly JsonSchema[];
  allOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  required?: readonly string[];
}

/** Those that may stand in the object at this path. */
export function keysAt(schema: JsonSchema, path: readonly PropertyKey[]): string[] {
  return [...new Set(schemasAt(schema, path).flatMap(({ properties = {} }) => Object.keys(properties)))];
}

/** Where a key of this name may stand: `acme.directoryUrl`, `certificates[].identifiers`. */
export function pathsOfKey(schema: JsonSchema, key: string, path = ''): string[] {
  return alternatives(schema).flatMap(({ properties = {}, items }) => [
    ...Object.entries(properties).flatMap(([name, child]) => {
      const own = path === '' ? name : `${path}.${name}`;
      return [...(name === key ? [own] : []), ...pathsOfKey(child, key, own)];
    }),
    ...(items === undefined ? [] : pathsOfKey(items, key, `${path}[]`)),
  ]);
}

/** What the schema says of the value at this path. */
export function descriptionAt(schema: JsonSchema, path: readonly PropertyKey[]): string | undefined {
  return schemasAt(schema, path).find(({ description }) => description !== undefined)?.description;
}

function schemasAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema[] {
  const [step, ...rest] = path;
  const here = alternatives(schema);
  if (step === undefined) return here;
  return here.flatMap(({ properties = {}, additionalProperties: other, items }) => {
    const named = typeof step === 'number' ? items : (properties[String(step)] ?? other);
    return typeof named === 'object' ? schemasAt(named, rest) : [];
  });
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const { anyOf = [], allOf = [], oneOf = [] } = schema;
  return [schema, ...[...anyOf, ...allOf, ...oneOf].flatMap(alternatives)];
}
