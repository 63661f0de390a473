import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { type Config, configJsonSchema, KEY_TYPES } from '../../../../lambda/config/config.ts';
import { DIRECTORIES } from '../../../../lambda/config/known-cas.ts';
import { parseConfig } from '../../../../lambda/config/yaml.ts';

const identifiersOf = (...identifiers: string[]) => {
  const acme = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };
  const config = parseConfig(
    'f',
    JSON.stringify({ bucket: 'file:///b', acme, certificates: [{ identifiers }] }),
  );
  return config.certificates[0]?.identifiers;
};

/** Paths of all keys of a JSON schema, `certificates[].name` for one. */
function pathsOf(schema: unknown, path = ''): string[] {
  const { properties = {}, additionalProperties, items, anyOf, allOf } = schema as Record<string, never>;
  const own = Object.entries(properties).flatMap(([name, child]) => {
    const childPath = path === '' ? name : `${path}.${name}`;
    return [childPath, ...pathsOf(child, childPath)];
  });
  const inner = items === undefined ? [] : pathsOf(items, `${path}[]`);
  // By a name of the operator's own.
  const isOpen = typeof additionalProperties === 'object';
  const named = isOpen ? pathsOf(additionalProperties, `${path}.NAME`) : [];
  return [
    ...own,
    ...inner,
    ...named,
    ...[anyOf ?? [], allOf ?? []].flat().flatMap((option) => pathsOf(option, path)),
  ];
}

/** Channels have names of the operator's own. */
function withoutChannelName(path: string): string[] {
  const [, rest] = /^notify\.channels\.[a-z-]+(.*)$/.exec(path) ?? [];
  return rest === undefined ? [path] : rest === '' ? [] : [`notify.channels.NAME${rest}`];
}

function keysOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysOf(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const childPath = path === '' ? name : `${path}.${name}`;
    return [childPath, ...keysOf(child, childPath)];
  });
}

for (const v1 of ['auto', 'on', 'off'] as const) {
  test(`contract.v1: ${v1} is a word in YAML, not a truth value`, () => {
    const text = `bucket: file:///b\nacme: { directoryUrl: letsencrypt, termsOfServiceAgreed: true }\ncontract: { v1: ${v1} }\ncertificates: [{ identifiers: [a.test] }]\n`;

    assert.equal(parseConfig('f', text).contract.v1, v1);
  });
}

test('the reference fixture sets every key of the schema, and parses', () => {
  const text = readFileSync('test/support/issuer/reference.yaml', 'utf8');
  const config = parseConfig('reference.yaml', text);

  assert.deepEqual(
    [...new Set(keysOf(parseYaml(text)).flatMap(withoutChannelName))].sort(),
    [...new Set(pathsOf(configJsonSchema()))].sort(),
  );
  assert.deepEqual(config.acme.contact, ['mailto:ops@example.com']);
  assert.deepEqual(config.certificates[0], {
    name: 'shop',
    identifiers: ['shop.example.com', 'xn--bcher-kva.example', '192.0.2.1', '2001:db8::1'],
    challenge: ['http-01'],
    keyTypes: ['rsa4096'],
    reuseKey: true,
    profile: 'tlsserver',
    haproxy: {
      crtListOptions: ['alpn h2,http/1.1', 'no-ca-names'],
      sniFilters: ['shop.example.com', '!x.shop.example.com'],
    },
    fleets: ['edge', 'inner'],
  });
});

test('the hosts of a fleet are expected by their number, or by name', () => {
  const expected = { edge: 3, inner: ['lb1', 'lb2'] };
  const certificates = [{ identifiers: ['a.test'], fleets: ['edge', 'inner'] }];
  const acme = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };
  const text = JSON.stringify({ bucket: 'file:///b', acme, certificates, hosts: { expected } });

  assert.deepEqual(parseConfig('f', text).hosts.expected, expected);
});

test('what is left out has a good value', () => {
  const text = `
bucket: file:///var/lib/pemfleet/bucket
acme: { directoryUrl: letsencrypt-staging, termsOfServiceAgreed: true }
certificates: [{ identifiers: [www.example.com, example.com] }]
`;

  const config = parseConfig('f', text);

  assert.deepEqual(config, {
    bucket: 'file:///var/lib/pemfleet/bucket',
    acme: { directoryUrl: DIRECTORIES['letsencrypt-staging'], contact: [], termsOfServiceAgreed: true },
    fallback: [],
    challenge: ['http-01'],
    dns: { hostedZones: [], resolvers: [] },
    wakeMinutes: 30,
    concurrency: 10,
    hosts: { expected: {} },
    contract: { v1: 'auto' },
    probe: {
      ...{ scheduled: false, port: 443, fleets: [], except: [], resolvers: [], allowPrivate: false },
      ...{ concurrency: 20, timeoutSeconds: 5 },
    },
    keyRetention: '30d',
    metrics: {},
    statusPage: false,
    certificates: [
      {
        name: 'www.example.com',
        identifiers: ['www.example.com', 'example.com'],
        challenge: ['http-01'],
        keyTypes: ['ec256'],
        reuseKey: false,
        fleets: ['default'],
      },
    ],
  } as unknown as Config);
});

for (const [says, given, wanted] of [
  ['IDNA: a name beyond ASCII becomes its A-label', 'Bücher.example', 'xn--bcher-kva.example'],
  ['a full-width name becomes its ASCII form', 'ｗｗｗ.example', 'www.example'],
  ['capitals become small', 'WWW.Example.COM', 'www.example.com'],
  ['an A-label stays', 'xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['IPv4', '192.0.2.1', '192.0.2.1'],
  ['RFC 5952: IPv6 in its short form', '2001:0DB8:0:0::0001', '2001:db8::1'],
] as const) {
  test(`identifiers: ${says}`, () => {
    assert.deepEqual(identifiersOf(given), [wanted]);
  });
}

test('a hundred names are not too many', () => {
  const names = Array.from({ length: 100 }, (_, index) => `n${index}.example.com`);

  assert.deepEqual(identifiersOf(...names), names);
});

test('the file name of an IPv6 address has no colons', () => {
  const acme = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };
  const text = JSON.stringify({
    bucket: 'file:///b',
    acme,
    certificates: [{ identifiers: ['2001:db8::1'] }],
  });

  assert.equal(parseConfig('f', text).certificates[0]?.name, '2001-db8--1');
});

for (const [name, url] of Object.entries(DIRECTORIES)) {
  test(`${name} is short for a directory`, () => {
    const acme = { directoryUrl: name, termsOfServiceAgreed: true };
    const text = JSON.stringify({ bucket: 'file:///b', acme, certificates: [{ identifiers: ['a.test'] }] });

    assert.equal(parseConfig('f', text).acme.directoryUrl, url);
    assert.match(url, /^https:\/\//);
  });
}

test('the JSON schema describes every key for an editor, defaults included', () => {
  const schema = configJsonSchema() as Record<string, unknown>;

  const paths = pathsOf(schema);

  assert.ok(
    paths.includes('acme.directoryUrl') && paths.includes('certificates[].identifiers'),
    paths.join(),
  );
  const text = JSON.stringify(schema);
  for (const keyType of KEY_TYPES) assert.ok(text.includes(`"${keyType}"`));
  assert.equal(schema['additionalProperties'], false);
  assert.deepEqual([...(schema['required'] as string[])].sort(), ['acme', 'bucket', 'certificates']);
});

test('a directory URL with user and password is refused, and not quoted: it would be published to every host', () => {
  const acme = { directoryUrl: 'https://user:secret@ca.test/directory', termsOfServiceAgreed: true };
  const document = { bucket: 'file:///b', acme, certificates: [{ identifiers: ['a.test'] }] };

  assert.throws(
    () => parseConfig('f', JSON.stringify(document)),
    ({ message }: Error) =>
      /acme\.directoryUrl.*without user and password/.test(message) && !message.includes('secret'),
  );
});
