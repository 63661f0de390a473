/**
 * Every parser of something from outside, with the grammar of its inputs (fast-check) and what it may do: it never throws anything but its
 * typed error, answers in time, and says the same twice. test/long/fuzz asks at random, test/unit/fuzz-corpus.test.ts what corpus.ts has.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { parse } from '#contract/combined-pem.ts';
import { parseHostStatus, serializeHostStatus } from '#contract/host-status.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import { emptyManifest, parseManifest, serializeManifest } from '#contract/manifest.ts';
import {
  parseAcme,
  parseCertificate,
  parseCrtListEntries,
  parseNames,
  parseProcess,
} from '../../../agent/haproxy/answers.ts';
import { crtListLine, parseCrtListLine } from '../../../agent/haproxy/crt-list-line.ts';
import { linksOf } from '../../../lambda/acme/account.ts';
import { AcmeProblem } from '../../../lambda/acme/problem.ts';
import { parseRetryAfter } from '../../../lambda/acme/retry-after.ts';
import { parseIssueValue } from '../../../lambda/challenge/issue-value.ts';
import { linesOf } from '../../../lambda/common/haproxy/config-lines.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import { readResponse } from '../../../lambda/ocsp/response.ts';
import { noon } from '../clock.ts';
import { makeEntry, makeHostStatus } from '../issuer/documents.ts';
import { createPki } from '../parts/pki.ts';
import ocsp from './ocsp.json' with { type: 'json' };

/** Of one input, of the processor: on a busy machine the clock says nothing. */
const MAX_MS = 2000;

const fleet = fleetName.parse('default');
const host = hostName.parse('lb1');
const pki = await createPki();
const { combined } = await pki.issue({ names: ['a.test'] });
const question = {
  leaf: new X509Certificate(ocsp.leaf),
  issuer: new X509Certificate(ocsp.issuer),
  now: new Date(ocsp.now),
};

/** What JSON can hold, and people put where a string is wanted. */
const ODD = fc.oneof(
  fc.constantFrom(
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    '',
    '\u0000',
    '\u202e',
    '1e999',
    'x'.repeat(70_000),
  ),
  fc.constantFrom(null, true, [], {}, 0, -1, 2 ** 53, 1e308, [null], { constructor: 1 }),
  fc.jsonValue({ maxDepth: 4 }),
);

/** A document of ours with one member somewhere replaced, removed, doubled or added. */
function mutated(document: object): fc.Arbitrary<string> {
  const paths: string[][] = [];
  const walk = (value: unknown, path: string[]) => {
    if (path.length > 0) paths.push(path);
    if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) walk(inner, [...path, name]);
    }
  };
  walk(document, []);
  return fc
    .array(fc.tuple(fc.constantFrom(...paths), ODD, fc.constantFrom('set', 'remove', 'add', '__proto__')), {
      ...{ minLength: 1, maxLength: 3 },
    })
    .map((changes) => changes.reduce(changeAt, JSON.parse(JSON.stringify(document)) as object))
    .map((changed) => JSON.stringify(changed));
}

function changeAt(document: object, [path, value, how]: [string[], unknown, string]): object {
  let at = document as Record<string, unknown>;
  for (const name of path.slice(0, -1)) {
    const next = at[name];
    if (typeof next !== 'object' || next === null) return document;
    at = next as Record<string, unknown>;
  }
  const name = path.at(-1) ?? '';
  if (Array.isArray(at) && how !== 'remove') {
    at.splice(Number(name) || 0, 1, structuredClone(value));
  } else if (how === 'remove') {
    delete at[name];
  } else {
    const added = how === 'add' ? 'constructor' : how;
    const place = how === 'set' ? name : added;
    const put = structuredClone(value);
    Object.defineProperty(at, place, { value: put, enumerable: true, configurable: true, writable: true });
  }
  return document;
}

/** Bytes of a good input, some of them changed, cut, doubled. */
function bytesLike(good: string | Buffer): fc.Arbitrary<Buffer> {
  const body = Buffer.from(good);
  const at = fc.nat({ max: body.length });
  return fc.oneof(
    fc
      .tuple(at, fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([from, put]) =>
        Buffer.concat([body.subarray(0, from), Buffer.from(put), body.subarray(from + put.length)]),
      ),
    fc.tuple(at, at).map(([from, to]) => Buffer.concat([body.subarray(0, from), body.subarray(to)])),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  );
}

/** Lines made of the words of a grammar, and of anything. */
const wordsOf = (...words: string[]) =>
  fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...words) },
        fc.string({ unit: 'binary', maxLength: 12 }),
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(''));

export interface Parser<T = unknown> {
  input: fc.Arbitrary<T>;
  /** It is read. */
  valid: T;
  /** What once was not refused as it should be, and its like: read, or refused. */
  found: readonly T[];
  read: (input: T) => unknown;
  /** Codes of the errors that it may throw. */
  codes?: RegExp;
}

const parser = <T>(one: Parser<T>): Parser => one as Parser;

const status = makeHostStatus('lb1');
const manifest = { ...emptyManifest(fleet, noon), certificates: { 'a.test': makeEntry() } };
const CONFIG = {
  ...{ bucket: 'file:///var/lib/bucket', challenge: 'dns-01' },
  ...{ acme: { directoryUrl: 'https://ca.test/directory', termsOfServiceAgreed: true } },
  certificates: [{ name: 'a', identifiers: ['a.test', '*.b.test'], keyType: 'ec256', fleets: ['default'] }],
};
const ANSWER =
  'Filename: /etc/x.pem\nStatus: Used\nSerial: 0A\nnotAfter: Dec 31 23:59:59 2030 GMT\nChain Subject: /CN=a\n';

/** Deeper than what calls itself can go. */
const NESTED = '['.repeat(60_000);
/** Each alias doubles what the one before stands for. */
const BOMB = Array.from(
  { length: 40 },
  (_, at) => `a${at}: &a${at} [${at ? `*a${at - 1}, *a${at - 1}` : 1}]`,
).join('\n');

export const PARSERS: Record<string, Parser> = {
  manifest: parser({
    valid: Buffer.from(serializeManifest(manifest as never)),
    found: ['', '[]', 'null', '{"version":1e999}', NESTED].map((text) => Buffer.from(text)),
    input: fc.oneof(
      mutated(manifest).map((text) => Buffer.from(text)),
      bytesLike(serializeManifest(manifest as never)),
    ),
    read: (body) => {
      const read = parseManifest(fleet, body);
      // What was read is written so that it is read again.
      assert.deepEqual(parseManifest(fleet, Buffer.from(serializeManifest(read))), read);
    },
    codes: /^ERR_MANIFEST/,
  }),
  'host status': parser({
    valid: Buffer.from(serializeHostStatus(status)),
    found: ['', '{}'.repeat(2000), 'null', NESTED].map((text) => Buffer.from(text)),
    input: fc.oneof(
      mutated(status).map((text) => Buffer.from(text)),
      bytesLike(serializeHostStatus(status)),
    ),
    read: (body) => {
      const read = parseHostStatus(fleet, host, body);
      assert.deepEqual(parseHostStatus(fleet, host, Buffer.from(serializeHostStatus(read))), read);
    },
    codes: /^ERR_/,
  }),
  'combined PEM': parser({
    valid: Buffer.from(combined),
    found: [combined.replace(/\n/g, ' '), '-----BEGIN CERTIFICATE-----\n'.repeat(3000)].map((text) =>
      Buffer.from(text),
    ),
    input: bytesLike(combined),
    read: (body) => parse(body.toString('utf8')),
    codes: /^ERR_PEM/,
  }),
  'answers of HAProxy': parser({
    valid: ANSWER,
    found: ['', '\n'.repeat(50_000), `Serial: ${'9'.repeat(50_000)}`, ANSWER.slice(0, -1)],
    input: fc.oneof(
      bytesLike(ANSWER).map(String),
      wordsOf('Filename: ', 'Status: ', '\n', '#', ':', '*', ' [alpn h2] ', '/a.pem', '0x', '9'.repeat(400)),
    ),
    read: (text) =>
      [parseProcess, parseCertificate, parseAcme, parseNames, parseCrtListEntries].map((read) => read(text)),
  }),
  'lines of a crt-list': parser({
    valid: '/etc/a.pem [alpn h2] *.a.test !b.a.test',
    found: ['', '[', ']', '/a.pem [', '/a.pem [[]', '#'.repeat(50_000), '!'.repeat(50_000)],
    input: wordsOf('/etc/a.pem', ' ', '[', ']', 'alpn h2', '#', '!', '*.a.test', '\\', '"', '\t'),
    read: (line) => {
      const first = parseCrtListLine(line);
      if (first === undefined || /[\s\\"#]/.test(first.filename)) return;
      assert.equal(parseCrtListLine(crtListLine(first.filename, first.tail))?.filename, first.filename);
    },
  }),
  'lines of haproxy.cfg': parser({
    valid: 'frontend a\n  bind "*:443" ssl crt /etc/b.pem # c\n',
    found: ['.endif', '.if ', '${', '"', '\\', '.if defined(A)\n'.repeat(2000)],
    input: wordsOf(
      'bind',
      ' ',
      '"',
      "'",
      '\\',
      '${A',
      '}',
      '-b',
      '.if ',
      'defined(A)',
      '.endif',
      '.else',
      '\n',
      '#',
      '[',
      '*',
    ),
    read: (text) => linesOf('haproxy.cfg', text, { A: 'a' } as never),
  }),
  'pemfleet.yaml': parser({
    valid: JSON.stringify(CONFIG),
    found: ['', '&a [*a]', '? ', '!!binary x', BOMB, NESTED.slice(0, 3000)],
    input: fc.oneof(
      mutated(CONFIG),
      bytesLike(JSON.stringify(CONFIG, null, 1)).map(String),
      wordsOf(
        'a: ',
        '\n',
        '  ',
        '- ',
        '&a ',
        '*a',
        '<<: ',
        '!!binary ',
        '{',
        '}',
        '[',
        '? ',
        '|',
        '"',
        '---\n',
        '%YAML 1.1\n',
      ),
    ),
    read: (text) => parseConfig('pemfleet.yaml', text),
    codes: /^ERR_CONFIG$/,
  }),
  'problem documents': parser({
    valid: { type: 'urn:ietf:params:acme:error:dns', detail: 'none', status: 400 },
    found: [{ type: 'constructor' }, { subproblems: [null] }, { type: 1e308, detail: ['\u001b[2J'] }],
    input: fc.record(
      {
        type: ODD,
        detail: ODD,
        status: ODD,
        subproblems: fc.oneof(
          ODD,
          fc.array(fc.record({ type: ODD, detail: ODD, identifier: ODD }), { maxLength: 3 }),
        ),
      },
      { requiredKeys: [] },
    ),
    read: (document) => {
      const { message, type } = new AcmeProblem(document as never, 400);
      assert.equal(typeof type, 'string');
      assert.doesNotMatch(message, /[\p{C}\p{Zl}\p{Zp}]/u);
    },
  }),
  'Link and Retry-After': parser({
    valid: '<https://ca.test/x>;rel="alternate"',
    found: [
      '<https://[>;rel="alternate"',
      '9'.repeat(40),
      '-1',
      '<'.repeat(50_000),
      '<a>;'.repeat(12_000),
      ';'.repeat(50_000),
    ],
    input: wordsOf(
      '<',
      '>',
      ';rel="alternate"',
      ',',
      'https://ca.test/x',
      'https://[',
      '../',
      ';',
      'rel=',
      '"',
      '9'.repeat(40),
      'Wed, 21 Oct 2026 07:28:00 GMT',
      '-1',
    ),
    read: (header) => {
      const links = linksOf(header, 'alternate', 'https://ca.test/cert/1');
      assert.ok(links.every((link) => URL.canParse(link)));
      const time = parseRetryAfter(header, noon);
      assert.ok(time === undefined || !Number.isNaN(time.getTime()));
      assert.ok(time === undefined || time.getTime() <= noon.getTime() + 31 * 86_400_000);
    },
  }),
  'CAA values': parser({
    valid: 'ca.test; a=b',
    found: ['', ';', '='.repeat(50_000)],
    input: wordsOf('ca.test', ';', ' ', 'a=b', '=', '\t', '.'),
    read: parseIssueValue,
  }),
  OCSP: parser({
    valid: Buffer.from(ocsp.response, 'base64'),
    found: [Buffer.alloc(0), Buffer.concat(Array.from({ length: 3000 }, () => Buffer.of(0x30, 0x80)))],
    input: fc.oneof(
      bytesLike(Buffer.from(ocsp.response, 'base64')),
      bytesLike(Buffer.concat(Array.from({ length: 3000 }, () => Buffer.of(0x30, 0x80)))),
    ),
    read: (body) => readResponse(body, question),
    codes: /^ERR_OCSP$/,
  }),
};

/** @throws what `parser` must not throw, and where it takes too long */
export function checkInput({ read, codes }: Parser, given: unknown): 'read' | 'refused' {
  const from = process.cpuUsage();
  let outcome: 'read' | 'refused' = 'read';
  try {
    read(given);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (error instanceof assert.AssertionError || codes?.test(code) !== true) throw error;
    outcome = 'refused';
  }
  const { user, system } = process.cpuUsage(from);
  assert.ok((user + system) / 1000 < MAX_MS, 'in time');
  return outcome;
}
