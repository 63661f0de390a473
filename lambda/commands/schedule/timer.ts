/** `pemfleet timer`: prints the drop-in for pemfleet.timer that fits the certificates, configured and published. */
import { MINUTE_MS, spanText } from '#common/time.ts';
import { configuredFleets } from '../../config/config.ts';
import {
  configuredLives,
  findWakeProblem,
  LEAST_WAKE_MINUTES,
  wakeProblemText,
} from '../../config/schedule.ts';
import { readStoredWindows } from '../../pass/renewal-windows.ts';
import { readPublishedCertificates } from '../../replacement/published.ts';
import { openSigningKey } from '../../signing/signing-key.ts';
import { type Command, loadConfigAndBucket, now, print, printToStderr } from '../command.ts';
import { EXIT } from '../output.ts';
import { timerDropIn } from './drop-in.ts';
import { publishedLives } from './published-lives.ts';

export const timerCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  const signing = await openSigningKey(bucket, { fleets: configuredFleets(config), dryRun: true });
  const { certificates } = await readPublishedCertificates({ bucket, config }, signing);
  const published = publishedLives(certificates, await readStoredWindows(bucket), now());
  const problem = findWakeProblem(config.wakeMinutes, [...configuredLives(config), ...published]);
  const minutes = Math.max(problem?.fittingMinutes ?? config.wakeMinutes, LEAST_WAKE_MINUTES);
  if (problem !== undefined) {
    const every = spanText(minutes * MINUTE_MS);
    printToStderr(
      `${wakeProblemText(problem)}; the timer below comes every ${every}: set wakeMinutes: ${minutes}, too\n`,
    );
  }
  print(timerDropIn(minutes));
  return problem !== undefined && problem.fittingMinutes < LEAST_WAKE_MINUTES ? EXIT.failed : EXIT.ok;
};
