/** `pemfleet take-over`: the configuration of this file counts on the bucket from now on; issuers with another one stop. */
import { configDigest } from '../identity/config-digest.ts';
import { takeOver } from '../identity/writers.ts';
import {
  type Command,
  loadConfigAndBucket,
  ownIdentity,
  printResult,
  printToStderr,
  recordAction,
} from './command.ts';
import { EXIT } from './output.ts';

export const takeOverCommand: Command = async (values) => {
  const { config: parsed, bucket } = await loadConfigAndBucket(values);
  const newcomer = {
    identity: await ownIdentity(values),
    config: configDigest(parsed),
  };
  const dryRun = values['dry-run'];
  const { stopped } = await takeOver(bucket, newcomer, { dryRun });
  if (!dryRun) await recordAction(bucket, values, { action: 'took-over' });
  if (values.json) printResult(values, { config: newcomer.config, stopped });
  const own = `configuration ${newcomer.config.slice(0, 8)} (${newcomer.identity.label})`;
  printToStderr(`${own} ${dryRun ? 'would count' : 'counts'} on ${bucket.url} from now on\n`);
  for (const { label, config, lastSeen } of stopped) {
    const until = 'until it has the same pemfleet.yaml';
    printToStderr(
      `${dryRun ? 'would stop' : 'stops'} ${until}: ${label} (configuration ${config.slice(0, 8)}, last at ${lastSeen})\n`,
    );
  }
  return EXIT.ok;
};
