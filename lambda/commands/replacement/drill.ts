/** `pemfleet drill`: when would the last certificate be replaced, at each configured CA, and what holds it back? Changes nothing. */

import { SECOND_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { configuredCas } from '../../config/acme.ts';
import { configuredFleets } from '../../config/config.ts';
import { drillFromBucket } from '../../drill/drill-from-bucket.ts';
import { openKeysToRead } from '../../publication/readers/keys.ts';
import { scopeText } from '../../replacement/progress.ts';
import { readPublishedCertificates } from '../../replacement/published.ts';
import { type Command, loadConfigAndBucket, now, print, printJson, printToStderr } from '../command.ts';
import { UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { coveredBy, scopeOf } from './scope.ts';
import { drillDocument, drillLines } from './text.ts';

/** Exits 1 if a CA could not replace all. */
export const drillCommand: Command = async (values) => {
  const orderMs = orderMsOf(values['order-seconds']);
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  const signing = await openKeysToRead(bucket, { fleets: configuredFleets(config) });
  const { certificates, unreadable } = await readPublishedCertificates({ bucket, config }, signing);
  for (const [fleet, error] of unreadable) {
    printToStderr(`fleet ${fleet}: left out: ${codeOf(error)} ${messageOf(error)}\n`);
  }
  const from = now();
  const { scope } = (await scopeOf(values, certificates, from)) ?? { scope: { all: true } as const };
  const covered = coveredBy(scope, certificates, from);
  const results =
    covered.length === 0
      ? []
      : await drillFromBucket({
          at: configuredCas(config),
          bucket,
          config,
          certificates: covered,
          from,
          orderMs,
        });
  if (values.json) {
    const head = { version: 1, at: from.toISOString(), certificates: covered.length };
    printJson({ ...head, cas: results.map(drillDocument) });
  } else {
    print(
      `${scopeText(scope)}: ${covered.length} of ${certificates.length} would be replaced\n${drillLines(results, from)}`,
    );
  }
  return results.every(({ certificates: all, replaced }) => replaced === all) ? EXIT.ok : EXIT.failed;
};

function orderMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (seconds >= 0.1 && seconds <= 600) return seconds * SECOND_MS;
  throw new UsageError(`--order-seconds wants 0.1 to 600 seconds, saw ${text}`);
}
