/**
 * Every parser of something from outside, fed what grammars and mutations yield (fast-check): it never throws anything but its typed
 * error, answers in time, and says the same twice. `PEMFLEET_FUZZ_SECONDS` for each parser (default 10), `PEMFLEET_FUZZ_SEED` to repeat one.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
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
import { noon } from '../../support/clock.ts';
import { makeEntry, makeHostStatus } from '../../support/issuer/documents.ts';
import { createPki } from '../../support/parts/pki.ts';

const SECONDS = Number(process.env['PEMFLEET_FUZZ_SECONDS'] ?? 10);
const SEED = Number(process.env['PEMFLEET_FUZZ_SEED'] ?? Date.now() % 2 ** 31);
/** Of one input, of the processor: on a busy machine the clock says nothing. */
const MAX_MS = 2000;

const fleet = fleetName.parse('default');
const host = hostName.parse('lb1');
const pki = await createPki();
const { combined } = await pki.issue({ names: ['a.test'] });
const [leaf, issuer] = [combined, pki.intermediatePem].map((pem) => new X509Certificate(pem)) as [
  X509Certificate,
  X509Certificate,
];
const question = { leaf, issuer, now: noon };

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

interface Parser<T = unknown> {
  input: fc.Arbitrary<T>;
  read: (input: T) => unknown;
  /** Codes of the errors that it may throw. */
  codes?: RegExp;
}

const parser = <T>(one: Parser<T>): Parser => one as Parser;

const status = makeHostStatus('lb1');
const manifest = { ...emptyManifest(fleet, noon), certificates: { 'a.test': makeEntry() } };
const CONFIG = {
  ...{ bucket: 'memory:', acme: { directoryUrl: 'https://ca.test/directory', termsOfServiceAgreed: true } },
  certificates: [{ name: 'a', identifiers: ['a.test', '*.b.test'], keyType: 'ec256', fleets: ['default'] }],
};
const ANSWER =
  'Filename: /etc/x.pem\nStatus: Used\nSerial: 0A\nnotAfter: Dec 31 23:59:59 2030 GMT\nChain Subject: /CN=a\n';

const PARSERS: Record<string, Parser> = {
  manifest: parser({
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
    input: bytesLike(combined),
    read: (body) => parse(body.toString('utf8')),
    codes: /^ERR_PEM/,
  }),
  'answers of HAProxy': parser({
    input: fc.oneof(
      bytesLike(ANSWER).map(String),
      wordsOf('Filename: ', 'Status: ', '\n', '#', ':', '*', ' [alpn h2] ', '/a.pem', '0x', '9'.repeat(400)),
    ),
    read: (text) =>
      [parseProcess, parseCertificate, parseAcme, parseNames, parseCrtListEntries].map((read) => read(text)),
  }),
  'lines of a crt-list': parser({
    input: wordsOf('/etc/a.pem', ' ', '[', ']', 'alpn h2', '#', '!', '*.a.test', '\\', '"', '\t'),
    read: (line) => {
      const first = parseCrtListLine(line);
      if (first === undefined || /[\s\\"#]/.test(first.filename)) return;
      assert.equal(parseCrtListLine(crtListLine(first.filename, first.tail))?.filename, first.filename);
    },
  }),
  'lines of haproxy.cfg': parser({
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
  'CAA values': parser({ input: wordsOf('ca.test', ';', ' ', 'a=b', '=', '\t', '.'), read: parseIssueValue }),
  OCSP: parser({
    input: fc.oneof(
      bytesLike(Buffer.from('30820101300a0a0100a081fa3081f706092b06010505073001010481e93081e6', 'hex')),
      bytesLike(Buffer.concat(Array.from({ length: 3000 }, () => Buffer.of(0x30, 0x80)))),
    ),
    read: (body) => readResponse(body, question),
    codes: /^ERR_OCSP$/,
  }),
};

for (const [name, { input, read, codes }] of Object.entries(PARSERS)) {
  test(`${name}, seed ${SEED}`, { timeout: (SECONDS + 120) * 1000 }, () => {
    const property = fc.property(input, (given) => {
      const from = process.cpuUsage();
      try {
        read(given);
      } catch (error) {
        const { code = '' } = error as { code?: string };
        if (error instanceof assert.AssertionError || codes?.test(code) !== true) throw error;
      }
      const { user, system } = process.cpuUsage(from);
      assert.ok((user + system) / 1000 < MAX_MS, 'in time');
    });
    const limits = {
      interruptAfterTimeLimit: SECONDS * 1000,
      numRuns: 10_000_000,
      markInterruptAsFailure: false,
    };
    const { counterexample, errorInstance, failed, numRuns } = fc.check(property, { seed: SEED, ...limits });

    assert.equal(
      failed,
      false,
      `seed ${SEED}, run ${numRuns}: ${JSON.stringify(counterexample)?.slice(0, 2000)}\n${String((errorInstance as Error)?.stack)}`,
    );
    assert.ok(numRuns > 5, `${numRuns} runs`);
  });
}
