/** `pemfleet adopt`: takes over what HAProxy serves today from another ACME client, or from nobody. Orders nothing, and HAProxy notices nothing. */
import type { Account } from '#common/user/accounts.ts';
import type { InBucket } from '../../adopt/apply/into-bucket.ts';
import type { ClientState } from '../../adopt/clients/lineage.ts';
import { type AdoptionPlan, type AdoptionRequest, planAdoption } from '../../adopt/plan/adoption-plan.ts';
import type { InForce } from '../../adopt/plan/in-force.ts';
import { readKnownLineages } from '../../adopt/plan/origin.ts';
import { socketRight } from '../../adopt/plan/socket-right.ts';
import { exactSet } from '../../config/identifier.ts';
import { parseConfig } from '../../config/yaml.ts';
import { ImportRefused } from '../../import/refused.ts';
import { aloneAtSetup } from '../../init/apply/alone.ts';
import { readState } from '../../init/apply/file-change.ts';
import { HalfDone, TakenBack } from '../../init/apply/put.ts';
import { startCommandOf } from '../../init/apply/target.ts';
import { findInstallation, readConfiguration } from '../../init/host/installation.ts';
import { listeningPorts } from '../../init/host/listening.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { type Command, now, print, printJson } from '../command.ts';
import { askYes, isTerminal } from '../init/ask.ts';
import { refuseWithoutRights, reportFailed, serviceUser, withCommandLine } from '../init/rights.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { adoptedBefore, alreadyAdopted, takeKilledBack } from './again.ts';
import { disableOld, oldSchedules, scheduleNotes } from './disable-old.ts';
import { adoptionReport, disabledText } from './report.ts';
import { openRuntime } from './runtime-sources.ts';
import { adoptionSources } from './sources.ts';
import { previewOf, takeOverFiles } from './take.ts';
import { adoptionPlanText, hookNotes } from './text.ts';
import { undoAdopt } from './undo.ts';

const DEFAULT_BUCKET = 'file:///var/lib/pemfleet/bucket';

export const adoptCommand: Command = async (values) => {
  try {
    return values.undo ? await aloneAtSetup(values, () => undoAdopt(values)) : await adopt(values);
  } catch (error) {
    const isSaid = [Unplannable, TakenBack, HalfDone, ImportRefused].some((kind) => error instanceof kind);
    if (!isSaid || !(error instanceof Error)) throw withCommandLine('adopt', error);
    return reportFailed(values, error);
  }
};

async function adopt(values: CommandValues): Promise<number> {
  // A dry run makes all checks of the real one.
  refuseWithoutRights('adopt', values.config);
  const user = serviceUser(process.getuid?.() ?? 0);
  // That may take the directory away on which the lock is.
  await aloneAtSetup(values, () => takeKilledBack(values));
  return aloneAtSetup(values, () => takeOver(values, user));
}

async function takeOver(values: CommandValues, user: Account): Promise<number> {
  const uid = process.getuid?.() ?? 0;
  const configFile = values.config;
  const inForce = await adoptedBefore(values);
  const installation = findInstallation({ configFile: values['haproxy-config'], env: process.env, uid });
  const config = await readConfiguration(installation);
  const right = socketRight(config, user);
  const { clients, onlyIn } = await adoptionSources(values);
  if (values['disable-old'] && inForce !== undefined) return disableOnly(values, clients, inForce);
  const { notes, ...asked } = await openRuntime(values, installation, right.path);
  const { plan, preview } = await planWithBucket(values, {
    ...{ config, clients, onlyIn, configFile, inForce, now: now() },
    bucket: values.bucket ?? inForce?.config.bucket ?? (await bucketOf(values)),
    ...asked,
    ca: values.ca,
    caFile: values['ca-file'],
    isListening: (port) => listeningPorts().has(port),
  });
  const schedules = await oldSchedules(clients);
  const told = {
    ...plan,
    notes: [...notes, ...plan.notes, ...hookNotes(clients), ...scheduleNotes(schedules, values)],
  };
  const isNothing = plan.certificates.length === 0;
  if (!values.json && !(isNothing && inForce)) print(adoptionPlanText(told));
  if (isNothing && inForce) return alreadyAdopted(values, plan, inForce);
  if (isNothing) throw nothingToAdopt(plan);
  if (values['disable-old']) {
    await refuseOthers(
      clients,
      plan.certificates.map(({ spec }) => spec),
    );
  }
  if (!values['dry-run']) await confirm(values, plan);
  const request = { installation, config, plan: told, preview, user, right };
  const taken = await takeOverFiles(values, request);
  const disabled = values['disable-old'] ? await disableOld(values, schedules) : undefined;
  const startCommand = await startCommandOf();
  adoptionReport(values, { plan: told, taken, disabled, schedules, startCommand });
  return EXIT.ok;
}

/** What the bucket does not take is left out, and keeps nothing else back. */
async function planWithBucket(
  values: CommandValues,
  request: AdoptionRequest,
): Promise<{ plan: AdoptionPlan; preview: InBucket }> {
  const plan = await planAdoption(request);
  if (plan.certificates.length === 0) return { plan, preview: { published: [], accounts: [], notes: [] } };
  const preview = await previewOf(values, plan);
  const { refused = new Map() } = request;
  if (preview.refused.size === 0) return { plan, preview };
  return planWithBucket(values, { ...request, refused: new Map([...refused, ...preview.refused]) });
}

/** Of a second run: where the first one has put it. */
async function bucketOf({ config: file }: CommandValues): Promise<string> {
  const text = (await readState(file))?.body.toString();
  return text === undefined ? DEFAULT_BUCKET : parseConfig(file, text).bucket;
}

function nothingToAdopt({ leftOut }: AdoptionPlan): Unplannable {
  const why =
    leftOut.length === 0
      ? 'none that its binds name: "pemfleet init" sets HAProxy up for certificates to come'
      : 'none that can be adopted: each line above says what to do';
  return new Unplannable(`wanted certificates that HAProxy serves, saw ${why}; nothing was changed`);
}

/** @throws Unplannable */
async function disableOnly(
  values: CommandValues,
  clients: readonly ClientState[],
  { config }: InForce,
): Promise<number> {
  await refuseOthers(clients, config.certificates);
  if (!values.yes && !values['dry-run']) throw new UsageError('adopt --disable-old wants --yes');
  const disabled = await disableOld(values, await oldSchedules(clients));
  if (values.json) printJson({ version: 1, result: values['dry-run'] ? 'planned' : 'disabled', disabled });
  else print(`${disabledText(disabled, values['dry-run'])}\n`);
  return EXIT.ok;
}

/** What nobody would renew any more. @throws Unplannable */
async function refuseOthers(
  clients: readonly ClientState[],
  kept: readonly { identifiers: readonly string[]; isImported?: boolean; imported?: boolean | undefined }[],
): Promise<void> {
  const renewed = kept.filter(({ isImported, imported }) => !(isImported ?? imported));
  const names = new Set(renewed.map(({ identifiers }) => exactSet(identifiers)));
  const others = (await readKnownLineages(clients))
    .filter((one) => !names.has(one.names))
    .map(({ lineage }) => `${lineage.name} (${lineage.client})`);
  if (others.length === 0) return;
  throw new Unplannable(
    `--disable-old would end renewals that pemfleet does not make: ${others.join(', ')}. Adopt without it, and leave the old client on for these; or delete there what nobody uses, then adopt --disable-old; nothing was changed`,
  );
}

async function confirm(values: CommandValues, { cas }: AdoptionPlan): Promise<void> {
  const names = cas.map(({ directoryUrl }) => directoryUrl).join(', ');
  if (values.yes) return;
  const agreed =
    names === '' ? '' : `, and you agree to the terms of service of ${names}, as you did with the old client`;
  if (isTerminal() && !values.json) {
    if (await askYes(`Adopt them${agreed}?`, false)) return;
    throw new Unplannable('nothing was changed');
  }
  throw new UsageError(`adopt wants --yes (what stands above is right${agreed})`);
}
