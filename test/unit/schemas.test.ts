/** The JSON schemas for editors: valid by the draft's own rules, of one mind with the programs, and with a word on every key. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { agentJsonSchema } from '../../agent/config/schema.ts';
import { configJsonSchema } from '../../lambda/config/config.ts';

const SCHEMAS = { 'pemfleet.yaml': configJsonSchema(), 'agent.yaml': agentJsonSchema() } as const;
const EXAMPLES = {
  'pemfleet.yaml': ['test/support/issuer/reference.yaml'],
  'agent.yaml': ['agent/host/agent.yaml'],
} as const;

/** Patterns of JavaScript's flavour, and lengths that go with any type: zod's output, which the draft allows. */
const ajv = () => new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

for (const [name, schema] of Object.entries(SCHEMAS) as ['pemfleet.yaml' | 'agent.yaml', object][]) {
  test(`the schema of ${name} is one of draft 2020-12, and takes what the program takes`, () => {
    const validator = ajv();
    assert.ok(validator.validateSchema(schema), validator.errorsText());
    const validate = validator.compile(schema);

    for (const file of EXAMPLES[name]) {
      assert.ok(
        validate(parse(readFileSync(file, 'utf8'))),
        `${file}: ${validator.errorsText(validate.errors)}`,
      );
    }
  });

  test(`the schema of ${name} refuses a typo, and says a word on every key`, () => {
    const validate = ajv().compile(schema);

    assert.equal(validate({ bukcet: 'file:///b' }), false);
    assert.deepEqual(undescribed(schema), []);
  });
}

/** Paths of keys without a description of their own. */
function undescribed(schema: object, path = ''): string[] {
  const {
    properties = {},
    items,
    anyOf = [],
    allOf = [],
  } = schema as {
    properties?: Record<string, { description?: string }>;
    items?: object;
    anyOf?: object[];
    allOf?: object[];
  };
  return [
    ...Object.entries(properties).flatMap(([key, child]) => [
      ...(child.description ? [] : [`${path}.${key}`]),
      ...undescribed(child, `${path}.${key}`),
    ]),
    ...(items === undefined ? [] : undescribed(items, `${path}[]`)),
    ...[...anyOf, ...allOf].flatMap((one) => undescribed(one, path)),
  ];
}
