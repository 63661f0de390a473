/** `pemfleet run` and `pemfleet plan`: one pass, or what it would do. */
import { machineIdentity } from '../identity/identity.ts';
import { afterPass } from '../pass/after-pass.ts';
import { probeNames } from '../probe/probe-names.ts';
import { runPassExclusively } from '../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  passEnvironmentOf,
  printJson,
  printToStderr,
  specOf,
} from './command.ts';
import type { CommandValues } from './line/options.ts';
import { notifyHosts } from './notify.ts';
import { burstLines, exitStatusOfOutcomes, outcomeTable, unconfiguredLines, wakeLine } from './output.ts';
import { writeFigures } from './textfile.ts';

export const runCommand: Command = (values) => pass(values, values['dry-run']);
export const planCommand: Command = (values) => pass(values, true);

async function pass(values: CommandValues, dryRun: boolean): Promise<number> {
  const { config, bucket } = await loadConfigAndBucket(values, dryRun ? 'read' : 'write');
  const only = values.only?.map((name) => specOf(config, name).name);
  const options = { dryRun, force: values['force-renewal'], only };
  const environment = passEnvironmentOf(values);
  const identity = await machineIdentity(values.config, process.env);
  const trustParameter = await openTrustParameter();
  const request = { bucket, config, options, identity, trustParameter, ...environment };
  const result = await runPassExclusively(request);
  const { outcomes, unconfigured = [], wakeProblem, bursts = [] } = result;
  if (!dryRun) {
    await notifyHosts(environment.log, result);
    // What hosts report is kept for the next pass: which sequences they have read, and whether they need version 1.
    const { metrics } = await afterPass({ bucket, config, ...environment }, undefined, result);
    const probed = await probeNames({ bucket, config, ...environment }, result);
    await writeFigures(config, { ...metrics, ...probed });
  }
  if (values.json) printJson({ version: 1, outcomes, unconfigured, wakeProblem, bursts });
  else {
    const lines = [unconfiguredLines(unconfigured), wakeLine(wakeProblem), burstLines(bursts)];
    printToStderr(outcomeTable(outcomes) + lines.join(''));
  }
  if (result.error !== undefined) throw result.error;
  // A plan has tried nothing.
  const waits = outcomes.map(({ failure: _, ...rest }) => ({ ...rest, serial: rest.serial ?? '' }));
  return exitStatusOfOutcomes(dryRun ? waits : outcomes);
}

/** Loaded where it is needed only: it is half of the SDK. */
async function openTrustParameter() {
  const name = process.env['PEMFLEET_TRUST_PARAMETER'];
  return name ? new (await import('../signing/trust-parameter.ts')).TrustParameter(name) : undefined;
}
