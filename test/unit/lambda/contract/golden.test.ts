/** What a published v1 looks like, byte for byte. A golden changes only with the version, or with a proof of compatibility. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ContractError } from '#contract/errors.ts';
import { parseHostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import { emptyManifest, parseManifest, serializeManifest } from '#contract/manifest.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const golden = (name: string) => readFileSync(`test/unit/lambda/contract/golden/${name}-v1.json`, 'utf8');
const fleet = fleetName.parse('edge');
const host = hostName.parse('lb1.example.com');

const DOCUMENTS = [
  {
    name: 'manifest',
    key: 'published/edge/manifest.json',
    codes: 'ERR_MANIFEST',
    pass: (body: string) => serializeManifest(parseManifest(fleet, Buffer.from(body))),
  },
  {
    name: 'host-status',
    key: 'status/edge/lb1.example.com.json',
    codes: 'ERR_STATUS',
    pass: (body: string) => serializeHostStatus(parseHostStatus(fleet, host, Buffer.from(body))),
  },
  {
    name: 'host-status-contract-2',
    key: 'status/edge/lb1.example.com.json',
    codes: 'ERR_STATUS',
    pass: (body: string) => serializeHostStatus(parseHostStatus(fleet, host, Buffer.from(body))),
  },
  {
    name: 'host-status-left',
    key: 'status/edge/lb1.example.com.json',
    codes: 'ERR_STATUS',
    pass: (body: string) => serializeHostStatus(parseHostStatus(fleet, host, Buffer.from(body))),
  },
] as const;

for (const { name, key, codes, pass } of DOCUMENTS) {
  const changed = (path: (string | number)[], value: unknown) =>
    withValue(JSON.parse(golden(name)), path, value);

  test(`${name}: what v1 published is read and written again, byte for byte`, () => {
    assert.equal(pass(golden(name)), golden(name));
  });

  test(`${name}: fields of a newer writer survive, at every depth`, () => {
    const newer = withUnknownFields(JSON.parse(golden(name)));

    const kept = JSON.parse(pass(JSON.stringify(newer)));

    assert.deepEqual(kept, newer);
  });

  for (const version of [0, 2, 99]) {
    test(`${name}: version ${version} is refused with ${codes}_VERSION, however the rest looks`, () => {
      for (const body of [JSON.stringify({ version }), changed(['version'], version)]) {
        const error = refusal(() => pass(body));

        assert.equal(error.code, `${codes}_VERSION`);
        assert.equal(error.key, key);
        assert.match(error.message, new RegExp(`wanted version 1, saw ${version}; upgrade`));
      }
    });
  }

  for (const body of [
    '',
    '{',
    'secret-content',
    'null',
    '[]',
    '"1"',
    '{}',
    '{"version":"1"}',
    '{"version":1.5}',
    '\ufeff{}',
  ]) {
    test(`${name}: ${JSON.stringify(body)} is refused with ${codes}_SCHEMA, and the message holds none of it`, () => {
      const error = refusal(() => pass(body));

      assert.equal(error.code, `${codes}_SCHEMA`);
      assert.ok(error.message.startsWith(`${key}: `), error.message);
      assert.doesNotMatch(`${error.stack}`, /secret-content/);
    });
  }
}

const BROKEN_MANIFESTS: [path: (string | number)[], value: unknown][] = [
  [['fleet'], '../secret'],
  [['fleet'], undefined],
  [['updatedAt'], 'secret'],
  [['certificates'], ['secret']],
  [['certificates', 'api.example.com', 'identifiers'], []],
  [['certificates', 'api.example.com', 'publishedAt'], '2026-11-22'],
  [['certificates', 'api.example.com', 'issued', 'accountUrl'], 'secret'],
  [['certificates', 'api.example.com', 'pems'], []],
  [['certificates', 'api.example.com', 'pems', 1], 'secret'],
  [['certificates', 'api.example.com', 'pems', 0, 'sha256'], 'A'.repeat(64)],
  [['certificates', 'api.example.com', 'pems', 0, 'sha256'], '../../secret'],
  [['certificates', 'api.example.com', 'pems', 0, 'serial'], 'secret'],
  [['certificates', 'api.example.com', 'pems', 0, 'size'], -1],
  [['certificates', 'api.example.com', 'pems', 0, 'chainLength'], 1.5],
  [['certificates', 'api.example.com', 'previous', 'pems'], undefined],
];

for (const [path, value] of BROKEN_MANIFESTS) {
  test(`manifest: ${path.join('.')} = ${JSON.stringify(value)?.slice(0, 20)} is refused by its path, without its content`, () => {
    const body = withValue(JSON.parse(golden('manifest')), path, value);

    const error = refusal(() => parseManifest(fleet, Buffer.from(body)));

    assert.equal(error.code, 'ERR_MANIFEST_SCHEMA');
    assert.ok(error.message.includes(`${path.join('.')}: `), error.message);
    assert.doesNotMatch(`${error.stack}`, /secret/);
  });
}

for (const name of ['../evil', '/etc/passwd', '.hidden', 'a/b', '', '__proto__x/..', 'constructor']) {
  test(`manifest: a certificate that is named ${JSON.stringify(name)} is refused`, () => {
    const { certificates, ...rest } = JSON.parse(golden('manifest'));
    const body = JSON.stringify({ ...rest, certificates: { [name]: certificates['www.example.com'] } });

    const error = refusal(() => parseManifest(fleet, Buffer.from(body)));

    assert.equal(error.code, 'ERR_MANIFEST_SCHEMA');
  });
}

for (const [path, value] of [
  [['files', 0, 'state'], 'fine'],
  [['files', 0, 'certificate'], '../secret'],
  [['files', 0, 'wanted', 'sha256'], 'secret'],
  [['haproxy', 0, 'pid'], 'secret'],
  [['reportedAt'], 'yesterday'],
  [['host'], 'secret/..'],
] as const) {
  test(`host-status: ${path.join('.')} = ${value} is refused by its path, without its content`, () => {
    const body = withValue(JSON.parse(golden('host-status')), [...path], value);

    const error = refusal(() => parseHostStatus(fleet, host, Buffer.from(body)));

    assert.equal(error.code, 'ERR_STATUS_SCHEMA');
    assert.ok(error.message.includes(`${path.join('.')}: `), error.message);
    assert.doesNotMatch(`${error.stack}`, /secret/);
  });
}

test('equal manifests are equal bytes, whatever the order of their certificates', () => {
  const manifest = parseManifest(fleet, Buffer.from(golden('manifest')));
  const turned = Object.fromEntries(Object.entries(manifest.certificates).reverse());

  assert.equal(serializeManifest({ ...manifest, certificates: turned }), golden('manifest'));
});

test('an empty manifest is a manifest', () => {
  const text = serializeManifest(emptyManifest(fleet, new Date('2026-11-22T12:00:00Z')));

  assert.deepEqual(parseManifest(fleet, Buffer.from(text)).certificates, {});
});

function refusal(work: () => unknown): ContractError {
  return thrownBy(ContractError, work);
}

type Node = Record<string | number, unknown>;

function withValue(document: object, path: (string | number)[], value: unknown): string {
  const parent = path.slice(0, -1).reduce<Node>((at, part) => at[part] as Node, document as Node);
  parent[path.at(-1) ?? ''] = value;
  return JSON.stringify(document);
}

function withUnknownFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withUnknownFields);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, withUnknownFields(field)]);
  const isRecordOfNames = Object.keys(value).some((name) => name.endsWith('.example.com'));
  return Object.fromEntries(isRecordOfNames ? fields : [...fields, ['fromTheFuture', { deep: [1, 'two'] }]]);
}
