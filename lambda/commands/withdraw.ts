/**
 * `pemfleet withdraw NAME…`: takes certificates off the hosts that are published and not configured any more. All names are judged before
 * anything is changed. Exits 1 if removals are held back until `--yes`.
 */
import { nearest } from '#common/nearest.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { configuredFleets } from '../config/config.ts';
import {
  endNames,
  type FleetWithdrawal,
  findPublished,
  heldIn,
  openFleets,
  type PublishedFleet,
  type WithdrawalSource,
} from '../pass/withdraw.ts';
import { eraseStolenKeys } from '../publication/history/stolen-keys.ts';
import type { ReadManifest } from '../publication/read-manifest.ts';
import {
  namesWithoutOther,
  type PublishedName,
  planWithdrawal,
  type WithdrawalPlan,
} from '../publication/withdrawal.ts';
import { openSigningKey } from '../signing/signing-key.ts';
import {
  besidePasses,
  type Command,
  checkOwnWriter,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  passEnvironmentOf,
  printJson,
  printToStderr,
  recordServing,
} from './command.ts';
import { fleetOption, nameOperand } from './line/names.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { notifyHosts } from './notify.ts';
import { EXIT } from './output.ts';
import { CommandRefused } from './undo/refused.ts';

/** Names in one message. */
const MAX_NAMED = 20;

export const withdrawCommand: Command = async (values, operands) => {
  if (operands.length === 0) throw new UsageError('withdraw wants the names of certificates, saw none');
  const names = [...new Set(operands)].map(nameOperand);
  const only = values.fleet === undefined ? undefined : fleetOption(values.fleet);
  const { config, bucket } = await loadConfigAndBucket(values);
  await checkOwnWriter({ bucket, config }, values);
  const { log } = passEnvironmentOf(values);
  const fleets = configuredFleets(config);
  const work = async () => {
    const signing = await openSigningKey(bucket, { fleets, dryRun: values['dry-run'] });
    const audit = openAuditTrail(bucket, values);
    const source = { bucket, config, signing, log, now, audit };
    const status = await withdraw(source, values, { names, only });
    const isErased = !values.stolen || values['dry-run'] || (await eraseKeys(source, names, only));
    await audit.flush();
    return isErased ? status : EXIT.failed;
  };
  return besidePasses(bucket, values, work);
};

async function withdraw(
  source: WithdrawalSource,
  values: CommandValues,
  { names, only }: { names: CertificateName[]; only: FleetName | undefined },
): Promise<number> {
  const { fleets, broken } = await openFleets(source, only);
  for (const [fleet, error] of broken) {
    printToStderr(`fleet ${fleet}: left out: ${codeOf(error)} ${messageOf(error)}\n`);
  }
  const found = await findPublished(source, fleets, names);
  const going = judge(names, fleets, { found, isStolen: values.stolen });
  const done: FleetWithdrawal[] = [];
  const words = { yes: values.yes, isStolen: values.stolen };
  const latest = new Map<FleetName, ReadManifest>();
  for (const published of fleets) {
    const here = going.filter(({ fleet }) => fleet === published.fleet);
    if (here.length === 0) continue;
    if (values['dry-run']) {
      done.push(preview(published, here, values.yes));
    } else {
      const names = here.map(({ name }) => name);
      await recordServing(source.bucket, [published.fleet], names);
      const { latest: written, ...result } = await endNames(source, published, here, words);
      if (written !== undefined) latest.set(published.fleet, written);
      done.push(result);
    }
    explain(published, here, done.at(-1), values['dry-run']);
  }
  await notifyHosts(source.log, { manifests: latest, changed: [...latest.keys()] });
  if (values.json) printJson({ version: 1, dryRun: values['dry-run'], fleets: done });
  return done.some(({ held }) => held.length > 0) ? EXIT.failed : EXIT.ok;
}

function preview(published: PublishedFleet, here: readonly PublishedName[], yes: boolean): FleetWithdrawal {
  const held = heldIn(published, here, yes);
  const withdrawn = here.map(({ name }) => name).filter((name) => !held.includes(name));
  return { fleet: published.fleet, withdrawn, held };
}

/** @returns whether all keys are gone, with all versions of their objects */
async function eraseKeys(
  source: WithdrawalSource,
  names: readonly CertificateName[],
  only: FleetName | undefined,
): Promise<boolean> {
  const fleets = (await openFleets(source, only)).fleets.map(({ fleet }) => fleet);
  let isErased = true;
  for (const name of names) {
    const again = `pemfleet withdraw ${name} --stolen${only === undefined ? '' : ` --fleet ${only}`}`;
    const { problems } = await eraseStolenKeys(source, fleets, { name, now: source.now(), again });
    for (const problem of problems) printToStderr(`${name}: ${problem}\n`);
    if (problems.length > 0) isErased = false;
  }
  return isErased;
}

/** @returns what is to go. @throws CommandRefused if one of the names must not, or is none */
function judge(
  names: readonly CertificateName[],
  fleets: readonly PublishedFleet[],
  { found, isStolen }: { found: readonly PublishedName[]; isStolen: boolean },
): PublishedName[] {
  return names.flatMap((name) => {
    const ofName = found.filter((one) => one.name === name);
    return judgeOne(name, fleets, planWithdrawal(ofName, isStolen));
  });
}

function judgeOne(
  name: CertificateName,
  fleets: readonly PublishedFleet[],
  plan: WithdrawalPlan,
): PublishedName[] {
  switch (plan.kind) {
    case 'withdraw':
      for (const fleet of plan.stays) {
        printToStderr(`${name}: stays in fleet ${fleet}, for which it is configured\n`);
      }
      return plan.from;
    case 'ended':
      for (const { fleet, endedAt } of plan.from) {
        printToStderr(`${name}: was ended in fleet ${fleet} at ${endedAt} already\n`);
      }
      return [];
    case 'expired':
      printToStderr(`${name}: has expired: hosts remove it by themselves\n`);
      return [];
    case 'configured':
      throw new CommandRefused(
        `${name} is configured for ${plan.fleets.join(', ')}: the next pass would publish it again; take it out of pemfleet.yaml first, or replace it: pemfleet revoke ${name}`,
      );
    case 'unknown':
      throw new CommandRefused(unknownName(name, fleets));
  }
}

function unknownName(name: CertificateName, fleets: readonly PublishedFleet[]): string {
  const published = fleets.flatMap(({ manifest }) => Object.keys(manifest.certificates));
  const close = nearest(name, [...new Set(published)]);
  const where = fleets.map(({ fleet }) => fleet).slice(0, MAX_NAMED);
  const hint = close.length > 0 ? `; is it ${close.join(', or ')}?` : '';
  return `no certificate ${name} is published to ${where.join(', ') || 'any such fleet'}${hint}; pemfleet status shows what is`;
}

function explain(
  { fleet, manifest }: PublishedFleet,
  here: readonly PublishedName[],
  done: FleetWithdrawal | undefined,
  dryRun: boolean,
): void {
  const { withdrawn = [], held = [] } = done ?? {};
  const would = dryRun ? 'would be ' : '';
  for (const name of withdrawn) printToStderr(`fleet ${fleet}: ${name}: ${would}withdrawn\n`);
  const gone = here.filter(({ name }) => withdrawn.includes(name));
  const dark = namesWithoutOther(manifest, gone, now());
  const listed = (names: readonly string[]) => names.slice(0, MAX_NAMED).join(', ');
  if (dark.length > 0) printToStderr(`fleet ${fleet}: no other certificate has ${listed(dark)}\n`);
  if (held.length === 0) return;
  const darker = namesWithoutOther(manifest, here, now()).filter((name) => !dark.includes(name));
  if (darker.length > 0) {
    printToStderr(`fleet ${fleet}: with --yes, no other certificate has ${listed(darker)}\n`);
  }
  const count = `${held.length} of ${Object.keys(manifest.certificates).length} certificates at once`;
  printToStderr(`fleet ${fleet}: held back: ${listed(held)}: ${count}; --yes withdraws them\n`);
}
