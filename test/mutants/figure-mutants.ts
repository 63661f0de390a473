/** Each figure set to 0, what makes it a level, and its alarm. */
import { type Mutant, mutantsOf } from './mutant.ts';

const METRICS = 'test/unit/lambda/figures/metrics.test.ts';

/** The figures that count problems, each with the test that sees its 0. */
const COUNTED: Readonly<Record<string, string>> = {
  CertificatesFailing: 'C1: a certificate that backs off fails still',
  CertificatesMissing: 'C2: what is configured and was never published',
  CertificatesOverdue: 'less than a quarter is',
  CertificatesExpired: 'C4: an expired certificate is expired',
  CertificatesEnding: 'and what ends within 14 days besides',
  HostsBehind: 'a host that has not seen the manifest for half an hour is behind',
  HostsSilent: 'a silent host is silent, and nothing else',
  HostsMissing: 'a host that was expected and never came is missing',
  HostsUnproven: 'is unproven',
  NeedsReload: 'a host in need of a reload is counted at once',
  DriftReturning: 'and what was found on three days, lately, returns',
  NotifyFailed: 'calls that failed are passed on',
};

export const FIGURE_MUTANTS: readonly Mutant[] = [
  ...mutantsOf('lambda/figures/metrics.ts', METRICS, [
    ...Object.entries(COUNTED).map(
      ([figure, title]) => [`figure ${figure}`, `count('${figure}')`, '0', title] as const,
    ),
    [
      'figure CertificatesIssued',
      "outcomes.filter(({ result }) => result === 'issued').length",
      '0',
      'outcomes are counted by their result',
    ],
    [
      'figure CertificatesUnconfigured',
      "unconfigured.filter(({ result }) => result === 'kept').length",
      '0',
      'what is not configured is counted',
    ],
    [
      'figure DaysToExpiry',
      'DaysToExpiry: (firstEnd - now.getTime()) / DAY_MS',
      'DaysToExpiry: 0',
      'days are those of the certificate that expires first',
    ],
    ['figure DriftRepaired', 'repairedDrifts(facts),', '0,', 'drifts of the last day are counted'],
    [
      'figure OldestProofHours',
      '...(OldestProofHours !== undefined && { OldestProofHours })',
      '...(OldestProofHours !== undefined && { OldestProofHours: 0 })',
      'or with proofs of long ago, is unproven',
    ],
    [
      'figure RunFinished',
      '...(isComplete && { RunFinished: 1 }),',
      '',
      'a pass over nothing has run all the same',
    ],
    [
      'what a pass cannot know is no zero',
      '!incomplete?.has(level)',
      'true',
      'a level of which some facts are unknown is no zero',
    ],
  ]),
  ...mutantsOf('lambda/figures/rises.ts', 'test/unit/lambda/figures/rises.test.ts', [
    [
      'a level that comes back within an hour has not been away',
      'count < before && stoodMs >= AWAY_MS',
      'count < before',
      'what comes back within an hour has not been away',
    ],
    [
      'names are not sent before the alarm can sound',
      'isHigher && stoodMs >= patienceMs(level, wakeMinutes)',
      'isHigher',
      'what the next pass may cure is sent when it has stood for a period',
    ],
    [
      'a level that a pass cannot know does not fall',
      'incomplete.has(level) && own.length <= before.count',
      'false',
      'a level that a pass cannot know does not fall',
    ],
  ]),
  ...mutantsOf('lambda/figures/problems.ts', METRICS, [
    [
      'a certificate that backs off is failing',
      'new Map(failing.map((one) => [one.certificate, one]))',
      'new Map()',
      'C1: a certificate that backs off fails still',
    ],
    [
      'what is unproven does not count as proved',
      "...(unproven ? [{ level: 'HostsUnproven', ...unproven, code: unproven.reason } as const] : []),",
      '',
      'is unproven',
    ],
    [
      'an old proof is none',
      'isProofLate(proofs.ageMs, proofs)',
      'proofs.ageMs < 0',
      'or with proofs of long ago, is unproven',
    ],
    [
      'a silent host is nothing but silent',
      '.filter(([, { reportedAt }]) => !isSilent(reportedAt, now));',
      ';',
      'a silent host is silent, and nothing else',
    ],
  ]),
  ...mutantsOf('lambda/fleet/behind.ts', 'test/unit/lambda/fleet/behind.test.ts', [
    [
      'a busy manifest hides no certificate',
      'if (hasActedOn(host, manifest)) return unserved;',
      'if (hasActedOn(host, manifest)) return [];',
      'and a host that does not serve one certificate is behind all the time',
    ],
    [
      'a busy manifest hides no host',
      '(isSame ? old?.lagSince : undefined) ?? manifest.updatedAt',
      'manifest.updatedAt',
      'a host that has stopped to act is behind after 30 minutes',
    ],
    [
      'a fault of the host as a whole counts at once',
      '...faultsOf(host), ',
      '',
      'an error of the host as a whole counts at once',
    ],
  ]),
  ...mutantsOf('cdk/monitoring/alarms.ts', 'test/cdk/alarms.test.ts', [
    [
      'the silence of the issuer is a breach',
      'TreatMissingData.BREACHING',
      'TreatMissingData.IGNORE',
      'missing data is an alarm for the issuer',
    ],
    [
      'missing data ends no alarm',
      'TreatMissingData.IGNORE',
      'TreatMissingData.NOT_BREACHING',
      'missing data is an alarm for the issuer',
    ],
    [
      'the end of an alarm is told',
      'alarm.addOkAction(new SnsAction(topic));',
      '',
      'the topic is notified when an alarm begins and when it ends',
    ],
  ]),
];
