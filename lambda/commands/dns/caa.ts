/** `pemfleet caa`: CAA records for the configured names and CAs, and whether those in the DNS let them issue. */

import { printable } from '#common/printable.ts';
import { table } from '#common/table.ts';
import { caaLookup } from '../../challenge/caa-lookup.ts';
import { orderedSpecs } from '../../config/config.ts';
import { readCaTerms } from '../../pass/caa/ca-terms.ts';
import { type CaaCheck, type CaaReport, caNameOf, readCaa } from '../../preflight/caa-report.ts';
import { withCas } from '../../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  passEnvironmentOf,
  print,
  printJson,
  specOf,
} from '../command.ts';
import { EXIT } from '../output.ts';

export const caaCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  const { timing } = passEnvironmentOf(values);
  const cas = await withCas({ bucket, config, timing }, readCaTerms);
  const specs = orderedSpecs(values.only?.map((name) => specOf(config, name)) ?? config.certificates);
  const report = await readCaa(specs, cas, caaLookup(config.dns.resolvers));
  const faults = cas.flatMap(({ directoryUrl, fault }) => (fault ? [{ directoryUrl, ...fault }] : []));
  const strays = cas.flatMap(({ accountProblem, directoryUrl }) =>
    accountProblem ? [{ directoryUrl, accountProblem }] : [],
  );
  if (values.json) printJson({ version: 1, ...report, faults, strays });
  else {
    for (const { code, directoryUrl, message } of faults) print(`; ${directoryUrl}: ${code} ${message}\n`);
    for (const { accountProblem, directoryUrl } of strays) print(`; ${directoryUrl}: ${accountProblem}\n`);
    print(caaText(report));
  }
  return strays.length > 0 ? EXIT.failed : exitStatusOf(report.checks);
};

/** What cannot be told counts less than what is known to be wrong. */
function exitStatusOf(checks: readonly CaaCheck[]): number {
  if (checks.some(({ result }) => result === 'denied')) return EXIT.failed;
  return checks.some(({ result }) => result === 'unknown') ? EXIT.unknown : EXIT.ok;
}

function caaText({ checks, wanted }: CaaReport): string {
  const lines = wanted.map(({ name, tag, value }) => `${name}. IN CAA 0 ${tag} "${value}"\n`);
  const head = ['NAME', 'CA', 'CHALLENGE', 'RESULT', 'CAA AT', ''];
  const all = checks.map(({ directoryUrl }) => directoryUrl);
  const rows = checks.map(({ at = '-', directoryUrl, identifier, method, problem = '', result }) => [
    ...[identifier, caNameOf(directoryUrl, all), method, result, at],
    printable(problem),
  ]);
  return `${lines.join('')}\n${table([head, ...rows])}`;
}
