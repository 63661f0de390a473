// Whatever hosts, CAs and manifests say: nothing of it acts on a terminal or a log.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapedJson, printable, printableLines } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { jsonText, planText, statusText } from '../../../../agent/cli/output.ts';
import { findingsOutput } from '../../../../agent/doctor/doctor.ts';
import { finding } from '../../../../agent/doctor/finding.ts';
import { lineLog } from '../../../../agent/log.ts';
import { metricsText } from '../../../../agent/resident/metrics.ts';
import { outcomeTable, unconfiguredLines } from '../../../../lambda/commands/output.ts';
import { reportTable } from '../../../../lambda/commands/report-table.ts';
import { messageOfRises } from '../../../../lambda/figures/rises.ts';
import type { FleetReport } from '../../../../lambda/fleet/report.ts';
import { jsonLog, textLog } from '../../../../lambda/log.ts';
import type { UnconfiguredOutcome } from '../../../../lambda/outcome.ts';
import { fleetLines } from '../../../../lambda/status/fleet-lines.ts';
import { noon } from '../../../support/clock.ts';
import { makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { sourceFiles, textOf } from '../../../support/sources.ts';

/** C0 (window title, clear screen, a new line), DEL, C1, bidi, zero width, soft hyphen, separators, tag, half a character. */
const ACTING =
  '\x1b]0;owned\x07\x1b[2J\r\n\x7f\x9b2J\x85\u202eevil\u2066\u200b\u00ad\u2028\u2029\u061c\ufeff\u{e0041}\ud800';
const EVIL = `a${ACTING}b`;
const HARMLESS = 'Ünïcödé ✓ 證書 \u{1f600} a b';

/** Lines are ours; all else of this kind would act. */
const assertHarmless = (text: string) =>
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u, JSON.stringify(text));

test('each run of what acts becomes a space; all else stays', () => {
  assert.equal(printable(HARMLESS), HARMLESS);
  assert.equal(printable('a\x1b\x9b\u202eb'), 'a b');
  assertHarmless(printable(EVIL));
  assert.doesNotMatch(printable(EVIL), /\n/);
  assert.equal(printableLines('a\n\x1bb\n'), 'a\n b\n');
  assert.equal(printableLines('-\t\tbind\x1b :443\n'), '-\t\tbind  :443\n');
});

test('JSON escapes it, and loses nothing', () => {
  for (const indent of [undefined, 2]) {
    const text = escapedJson({ [EVIL]: [EVIL, HARMLESS] }, indent);

    assertHarmless(text);
    assert.deepEqual(JSON.parse(text), { [EVIL]: [EVIL, HARMLESS] });
  }
});

test('a cell of a table does not break out of its row', () => {
  const text = table([
    ['HEAD', 'LAST'],
    [EVIL, EVIL],
  ]);

  assertHarmless(text);
  assert.equal(text.split('\n').length, 3);
});

const error = { code: EVIL, message: EVIL };
const file = {
  ...{ file: EVIL, certificate: named('a.test'), state: 'failed', since: noon.toISOString(), instance: EVIL },
  ...{ wanted: { sha256: 'a'.repeat(64), serial: EVIL }, handshakes: [EVIL], error },
  runtime: { serial: EVIL, notAfter: EVIL, chainLength: 1 },
} as const;
const status = makeHostStatus('lb1', {
  ...{ files: [file as never], error, manifest: EVIL },
  haproxy: [{ name: EVIL, socket: EVIL, version: EVIL }],
});
const certificate = {
  ...{
    certificate: EVIL,
    isConfigured: false,
    identifiers: [EVIL],
    serial: EVIL,
    notAfter: EVIL,
    notBefore: EVIL,
    publishedAt: EVIL,
    served: [EVIL],
    failure: { code: EVIL, message: EVIL, at: EVIL, attempts: 2, nextAttempt: EVIL },
  },
  behind: [{ host: EVIL, state: 'failed', error } as const],
};
const report: FleetReport = {
  missing: [{ certificate: EVIL, identifiers: [EVIL], servedBy: [EVIL] }],
  present: 1,
  ...{ fleet: 'edge', certificates: [certificate], silent: [], left: [], error },
  unreadable: [{ host: EVIL, code: EVIL, writtenAt: EVIL }],
  hosts: [
    {
      host: EVIL,
      reportedAt: EVIL,
      conditions: [{ condition: EVIL, since: EVIL, message: EVIL }],
      unlisted: [{ file: EVIL, certificate: EVIL, notAfter: EVIL }],
      removals: [{ file: EVIL, certificate: EVIL, state: 'failed' as const, since: EVIL, error }],
      error,
      unproven: [{ file: EVIL, certificate: EVIL, since: EVIL, reason: EVIL, message: EVIL }],
      expired: [{ file: EVIL, certificate: EVIL, notAfter: EVIL }],
      drift: [
        {
          ...{
            kind: EVIL,
            file: EVIL,
            certificate: EVIL,
            first: EVIL,
            at: noon.toISOString(),
            count: 2,
            days: 3,
          },
          culprit: EVIL,
        },
      ],
    },
  ],
  ended: [{ certificate: EVIL, reason: EVIL, at: EVIL, notAfter: EVIL, by: [EVIL] }],
};
const unconfigured: UnconfiguredOutcome = {
  ...{ fleet: EVIL as never, certificate: EVIL as never, result: 'kept', reason: 'unreadable' },
  ...{ identifiers: [EVIL], serial: EVIL, notAfter: EVIL, error: { code: EVIL, message: EVIL } },
};
const outcome = {
  result: 'failed' as const,
  ...{ certificate: named('a.test'), reason: EVIL, identifiers: [EVIL], until: EVIL, error },
  ...{ serial: EVIL, notAfter: EVIL, places: [EVIL] },
};
const passResult = { outcomes: [{ action: { file: EVIL, kind: 'install', reason: EVIL } }], status } as never;
const logged = (log: (write: (line: string) => void) => void) => {
  let text = '';
  log((line) => {
    text += line;
  });
  return text;
};

const PROBLEM = { level: 'CertificatesFailing', subject: EVIL, certificate: EVIL, code: EVIL } as const;
const RISE = { level: PROBLEM.level, count: 1, worst: [PROBLEM] };

/** By sink: what is printed, and its lines. `main.ts` and `command.ts` print through `printableLines`. */
const OUTPUTS: [says: string, text: string, lines: number][] = [
  [
    'pemfleet status',
    reportTable([{ report, lines: fleetLines(report, { now: noon, graceMs: 0 }) }], {
      now: noon,
      width: 120,
    }),
    17,
  ],
  ['pemfleet run, what is not configured', unconfiguredLines([unconfigured]), 1],
  ['pemfleet run', outcomeTable([outcome, outcome]), 5],
  [
    'log of the issuer',
    logged((write) => textLog(write, () => noon)('certificate.failed', { error: EVIL })),
    1,
  ],
  ['its JSON', logged((write) => jsonLog(write, () => noon)('certificate.failed', { error: EVIL })), 1],
  ['pemfleet-agent status', statusText(status), 5],
  [
    'pemfleet-agent doctor',
    findingsOutput([finding('file-stray', EVIL, EVIL), finding('bucket-denied', EVIL, EVIL)], false),
    4,
  ],
  ['message of an alarm', messageOfRises([RISE], EVIL).text, 6],
  ['pemfleet-agent sync --dry-run', planText(passResult), 3],
  [
    'metrics.textfile',
    metricsText({
      ...{ version: '1', fleet: 'edge' as never, host: 'lb1' as never, status, polledAt: noon, code: EVIL },
    }),
    0,
  ],
];

for (const [says, text, lines] of OUTPUTS) {
  test(`${says}: nothing acts`, () => {
    assertHarmless(printableLines(text));
    assert.match(text, /a.*b/);
    // A line that a host wrote would be believed.
    if (lines > 0) assert.equal(text.trimEnd().split('\n').length, lines, JSON.stringify(text));
  });
}

test('the log and the JSON of the agent need no help: what acts is escaped', () => {
  const line = logged((write) => lineLog(write, true)('certificate.failed', { code: '\x1b', message: EVIL }));

  assertHarmless(line);
  assert.match(line, /code="\\u001b" message="a\\u001b/);
  assertHarmless(jsonText(status));
  assert.equal(JSON.parse(jsonText(status)).error.code, EVIL);
});

test('only the composition roots write to a terminal, through printableLines', () => {
  const isProgram = (file: string) => /^(agent|lambda)\/.*\.ts$/.test(file);
  const writes = (file: string) => /\bprocess\.std(out|err)\.write|\bconsole\./.test(textOf(file));

  assert.deepEqual(sourceFiles.filter((file) => isProgram(file) && writes(file)).sort(), [
    'agent/main.ts',
    'lambda/commands/command.ts',
  ]);
});
