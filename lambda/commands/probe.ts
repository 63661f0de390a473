/** `pemfleet probe`: what clients get at every address of every name. Exits 1 if an address shows something else, 2 if nobody can tell. */
import { startDeadline } from '#common/deadline.ts';
import { SECOND_MS } from '#common/time.ts';
import { type Config, configuredFleets } from '../config/config.ts';
import { backgroundReader } from '../probe/background.ts';
import { meaningOf } from '../probe/judge.ts';
import { probeAll } from '../probe/probe.ts';
import { probeTable } from '../probe/probe-table.ts';
import { readTargets } from '../probe/read-targets.ts';
import { resolverOf } from '../probe/resolve.ts';
import { openKeysToRead } from '../publication/readers/keys.ts';
import { type Command, loadConfigAndBucket, now, print, printJson, printProgress } from './command.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { EXIT } from './output.ts';

export const probeCommand: Command = async (values, operands) => {
  const { config, bucket } = await loadConfigAndBucket(values, 'read');
  const settings = settingsOf(config, values);
  const fleets = configuredFleets(config).filter((one) => values.fleet === undefined || one === values.fleet);
  if (fleets.length === 0) throw new UsageError(`no certificate names the fleet ${values.fleet}`);
  const keys = await openKeysToRead(bucket, { fleets });
  const only = operands.length === 0 ? undefined : new Set(operands);
  const source = { bucket, keys, fleets, only, except: settings.except };
  const { targets, faults } = await readTargets(source, now());
  const unknown = operands.filter((name) => !targets.some(({ certificate }) => certificate === name));
  if (unknown.length > 0 && faults.length === 0) {
    throw new UsageError(`nothing is published for ${unknown.join(', ')}`);
  }
  const deadline = startDeadline(secondsOf(values.timeout, '--timeout') * SECOND_MS);
  const resolve = resolverOf(settings.resolvers);
  const onProgress = progressOf(targets.length, values);
  const context = { settings, resolve, backgroundOf: backgroundReader(bucket), deadline, now, onProgress };
  const rows = await probeAll(context, targets).finally(() => deadline.clear());
  if (values.json) printJson({ version: 1, rows, faults });
  else print(probeTable(rows, faults));
  const meanings = rows.map(meaningOf);
  if (meanings.includes('wrong')) return EXIT.failed;
  return faults.length > 0 || meanings.includes('unknown') ? EXIT.unknown : EXIT.ok;
};

function settingsOf(config: Config, values: CommandValues): Config['probe'] {
  const { probe } = config;
  const concurrency = values.concurrency && secondsOf(values.concurrency, '--concurrency');
  const isPrivate = values['allow-private'] || probe.allowPrivate;
  return { ...probe, allowPrivate: isPrivate, ...(concurrency && { concurrency }) };
}

function secondsOf(value: string, option: string): number {
  const number = Number(value);
  if (number > 0) return number;
  throw new UsageError(`${option} wants a number above 0, saw ${value}`);
}

/** A long probe is seen to go on. */
function progressOf(total: number, { json, quiet }: CommandValues): (() => void) | undefined {
  if (json || quiet) return undefined;
  let done = 0;
  return () => {
    done += 1;
    printProgress(`${done} of ${total} names`);
    if (done === total) printProgress('');
  };
}
