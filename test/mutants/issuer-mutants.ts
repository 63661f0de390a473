/** Rules of the issuer and of its commands. */
import { type Mutant, mutantsOf } from './mutant.ts';

export const ISSUER_MUTANTS: readonly Mutant[] = [
  ...mutantsOf('lambda/pass/renewal-time.ts', 'test/unit/lambda/pass/due.test.ts', [
    [
      'ARI: no order before the window begins',
      'if (now < start) return false;',
      '',
      'never before its start',
    ],
    [
      'ARI: the last wake before the end of the window orders',
      ' || now.getTime() + wakeMs >= end.getTime()',
      '',
      'the last wake before its end is not skipped',
    ],
    [
      'ARI: a window counts while it is open',
      "isInsideFirst(window, now, wakeMs) ? 'renewal-window' : undefined",
      'undefined',
      'due at the picked time',
    ],
    ['ARI: the picked time counts', 'return now >= renewAt || ', 'return ', 'due at the picked time'],
    [
      'ARI: a window that is over orders',
      "if (now >= window.end) return 'renewal-window-past';",
      '',
      'renewal window: over',
    ],
    [
      'ARI: a window that reaches beyond the certificate ends with it',
      'bounded(window.end)',
      'window.end',
      'it reaches beyond the certificate',
    ],
  ]),
  ...mutantsOf('lambda/pass/due.ts', 'test/unit/lambda/pass/due.test.ts', [
    [
      'an emergency waits for no window',
      "if (published.pems.some((pem) => isEmergency(pem, now))) return 'emergency';",
      '',
      'an emergency waits for none',
    ],
  ]),
  ...mutantsOf('lambda/pass/run-pass.ts', 'test/unit/lambda/pass/run-pass.test.ts', [
    [
      'orders stay within the budget',
      'await withinBudgetAndCaa(pass, decided, survey.budget)',
      'decided',
      'orders beyond the budget wait',
    ],
  ]),
  ...mutantsOf('lambda/pass/plan.ts', 'test/unit/lambda/pass/run-pass.test.ts', [
    [
      'of more orders than the budget has, the most urgent are placed',
      'expiryOf(a) - expiryOf(b)',
      'expiryOf(b) - expiryOf(a)',
      'the one that ends first is placed',
    ],
  ]),
  ...mutantsOf('lambda/pass/issuing/order-in-flight.ts', 'test/unit/lambda/pass/order-in-flight.test.ts', [
    [
      "RFC 9773 §5: no order replaces another account's certificate",
      'published?.issued.accountUrl === client.accountUrl',
      'true',
      "nothing, where another account's certificate is published",
    ],
    [
      'RFC 9773 §5: an order replaces the certificate of its key type',
      'published?.pems.find((pem) => pem.keyType === keyType) : undefined;\n    return',
      'published?.pems[0] : undefined;\n    return',
      'of a pair, each order replaces',
    ],
  ]),
  ...mutantsOf('lambda/commands/status.ts', 'test/parts/issuer/command-line.test.ts', [
    [
      'pemfleet status exits 1 where something is wrong',
      'wrong: EXIT.failed',
      'wrong: EXIT.ok',
      'status says by its exit status',
    ],
    [
      'pemfleet status exits 2 where it cannot tell',
      'unknown: EXIT.unknown',
      'unknown: EXIT.ok',
      'status says by its exit status',
    ],
  ]),
  ...mutantsOf('lambda/commands/output.ts', 'test/unit/lambda/commands/output.test.ts', [
    [
      'pemfleet run exits 3 while something backs off',
      'outcomes.some(isFailing)',
      "outcomes.some(({ result }) => result === 'failed')",
      'where the only one backs off',
    ],
    [
      'pemfleet run exits 1 where all failed',
      '? EXIT.failed : EXIT.partlyFailed',
      '? EXIT.partlyFailed : EXIT.partlyFailed',
      'where all failed',
    ],
  ]),
  ...mutantsOf('lambda/outcome.ts', 'test/unit/lambda/commands/output.test.ts', [
    [
      'what was issued fails no longer',
      " && result !== 'issued'",
      '',
      'where one that failed before was issued',
    ],
  ]),
  ...mutantsOf('lambda/status/certificate-lines.ts', 'test/unit/lambda/status/whole-status.test.ts', [
    [
      'grace: what was just published may be on its way',
      'Date.parse(since) < graceMs',
      'Date.parse(since) < 0',
      'C6: between publication and poll: note',
    ],
    [
      'grace: it ends',
      'Date.parse(since) < graceMs',
      'Date.parse(since) < Number.POSITIVE_INFINITY',
      'without a grace',
    ],
    [
      'status: a configured certificate that was never issued is wrong',
      '...report.missing.map((one) => missingLine(one, view)),',
      '',
      'C2: configured, never issued: wrong',
    ],
    [
      'status: an expired certificate is wrong',
      'const hasExpired = new Date(notAfter) <= now;',
      'const hasExpired = false;',
      'C4: everything has expired',
    ],
    [
      'status: a renewal that fails is wrong',
      "line('wrong', 'failing', `renewal",
      "line('note', 'failing', `renewal",
      'C7: a renewal fails',
    ],
  ]),
  ...mutantsOf('lambda/status/host-lines.ts', 'test/unit/lambda/status/whole-status.test.ts', [
    [
      'status: an error of the host as a whole is wrong',
      "[line('wrong', 'host-error',",
      "[line('note', 'host-error',",
      'C5: an error of the host as a whole',
    ],
    [
      'status: unproven by a fault is wrong',
      "isUnprovenByDesign(first.reason) ? 'note' : 'wrong'",
      "'note'",
      'unproven for a reason that is a fault',
    ],
    [
      'status: a drift that returns is wrong',
      "isReturning ? 'wrong' : 'note'",
      "'note'",
      'drift that returns',
    ],
    [
      'status: what a silent host has said is not said any more',
      'report.hosts.filter(({ host }) => !silentHosts.has(host))',
      'report.hosts',
      'what a silent host has said is not said any more',
    ],
  ]),
  ...mutantsOf('lambda/fleet/proof.ts', 'test/unit/lambda/fleet/proof.test.ts', [
    [
      'gates: what no handshake can prove is proved by HAProxy’s description alone',
      'return unproven === undefined || runtime === undefined || runtime.serial === wanted.serial;',
      'return true;',
      'where no handshake can prove it',
    ],
    [
      'gates: what no handshake can prove blocks nothing for ever',
      ' || runtime === undefined || runtime.serial === wanted.serial;',
      ';',
      'where no handshake can prove it',
    ],
    [
      'gates: no host proves nothing',
      'if (living.length === 0) return undefined;',
      '',
      'no host at all proves nothing',
    ],
    [
      'gates: a cut list of overlaps is no proof',
      'if (overlaps.length >= MAX_OVERLAPS) return false;',
      '',
      'a report that names as many overlaps as fit',
    ],
  ]),
  ...mutantsOf('lambda/fleet/read-status.ts', 'test/unit/lambda/fleet/read-status.test.ts', [
    [
      "clocks: silence is judged by the object's time",
      'reportedAt: writtenAt, ',
      '',
      'a host whose clock is a day behind is not silent',
    ],
    ['clocks: a host whose clock is ahead is named', 'offsetMs > AHEAD_MS || ', '', '100 days ahead'],
    ['clocks: a host whose clock is behind is named', ' || offsetMs < -BEHIND_MS', '', 'a day behind'],
  ]),
  ...mutantsOf('lambda/fleet/expected.ts', 'test/unit/lambda/fleet/expected.test.ts', [
    [
      'hosts.expected: one that left long ago is missing',
      'leftAt === undefined || !isSilent(leftAt, now)',
      'true',
      'one left hours ago',
    ],
    [
      'hosts.expected: one that reboots is not',
      'leftAt === undefined || !isSilent(leftAt, now)',
      'leftAt === undefined',
      'one is away for a reboot',
    ],
  ]),
  ...mutantsOf('lambda/common/clock.ts', 'test/unit/lambda/common/clock.test.ts', [
    [
      'clocks: a wait beyond its longest span is over',
      'return leftMs > 0 && leftMs <= longestMs + CLOCK_SLACK_MS;',
      'return leftMs > 0;',
      'one beyond its longest span is over',
    ],
    [
      'clocks: what is dated in the future is over',
      'return agoMs >= -CLOCK_SLACK_MS && agoMs < spanMs;',
      'return agoMs < spanMs;',
      'what is dated in the future is not',
    ],
  ]),
  ...mutantsOf('lambda/contract/root.ts', 'test/unit/lambda/contract/root.test.ts', [
    [
      'a root is what was signed',
      'if (statement.claims.sha256 !== sha256(bytes.subarray(0, at), BODY_END)) {',
      'if (bytes.length === 0) {',
      'altered (a signature before ours)',
    ],
  ]),
];
