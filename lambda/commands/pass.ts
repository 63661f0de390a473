/** `pemfleet run`, `pemfleet plan`: one pass, or what it would do. */
import { notifyFleets } from '../fleet/notify.ts';
import { runPass } from '../wiring.ts';
import {
  type Command,
  now,
  open,
  passEnvironmentOf,
  printJson,
  say,
  specOf,
  type Values,
} from './command.ts';
import { exitStatusOf, outcomeTable } from './output.ts';

export const runCommand: Command = (values) => pass(values, values['dry-run']);
export const planCommand: Command = (values) => pass(values, true);

async function pass(values: Values, dryRun: boolean): Promise<number> {
  const { config, bucket } = await open(values);
  const only = values.only?.map((name) => specOf(config, name).name);
  const options = { dryRun, force: values['force-renewal'], ...(only !== undefined && { only }) };
  const around = passEnvironmentOf(values);
  const result = await runPass(bucket, config, options, around);
  const { outcomes } = result;
  const document = process.env['PEMFLEET_NOTIFY_DOCUMENT'];
  if (document && !dryRun) {
    const { RunCommandNotifier } = await import('../fleet/run-command.ts');
    // What comes of it is not followed: these hosts are looked at by `pemfleet status`.
    await notifyFleets(
      { notifier: new RunCommandNotifier(document), log: around.log, now: now() },
      [],
      result,
    );
  }
  if (values.json) printJson({ version: 1, outcomes });
  else say(outcomeTable(outcomes));
  return exitStatusOf(outcomes);
}
