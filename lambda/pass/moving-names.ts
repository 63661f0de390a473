/**
 * Names that a certificate loses. Where they move to another one, it is not replaced before hosts have proved that one: otherwise nobody
 * would serve them if the other order fails, or a host cannot load its certificate. Where they move to none, the operator is warned.
 */
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { specsOfFleet } from '../config/config.ts';
import { coversName } from '../config/identifier.ts';
import { isEmergency } from '../order/lifetime.ts';
import type { FleetLoss } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import type { Plan } from './plan.ts';
import { FleetProofs } from './supersede.ts';
import type { Survey } from './survey.ts';
import { coverageOf, hasListed, stayingIn } from './unconfigured.ts';

/** Names and hosts in one event, or one line. */
const MAX_NAMED = 20;

/** What a certificate waits for, in one fleet. */
interface Waiting {
  fleet: FleetName;
  /** That it loses, and that no published certificate has yet, or that one of these hosts has not proved elsewhere. */
  names: readonly string[];
  hosts?: readonly string[];
}

/**
 * Its old publication stays as long as it waits, and not longer than until it ends soon. A revoked one does not wait, nor does one that the
 * operator forces.
 * @returns the plans, those that wait deferred (`names-moving`)
 */
export async function holdMovingNames(pass: Pass, survey: Survey, plans: readonly Plan[]): Promise<Plan[]> {
  const proofs = new Map<FleetName, FleetProofs>();
  const held: Plan[] = [];
  for (const plan of plans) {
    const waiting = await waitingOf(pass, survey, plan, proofs);
    if (waiting === undefined) {
      held.push(plan);
      continue;
    }
    const { fleet, names, hosts } = waiting;
    const fields = { certificate: plan.spec.name, fleet, names: names.slice(0, MAX_NAMED) };
    pass.log('names.moving', { ...fields, ...(hosts && { hosts: hosts.slice(0, MAX_NAMED) }) });
    held.push({ ...plan, decision: { action: 'defer', reason: 'names-moving' } });
  }
  return held;
}

/**
 * Names that a certificate has in a fleet and is to have no more, and that no other certificate is for: on the hosts, nothing is left for
 * them as soon as it is replaced. Nobody waits for that, it is what the operator has written; it is said before it is done.
 * @returns the plans, with what each of them loses
 */
export function noteLostNames(pass: Pass, survey: Survey, plans: readonly Plan[]): Plan[] {
  return plans.map((plan) => {
    const { spec, decision } = plan;
    if (decision.action === 'keep' || spec.imported) return plan;
    const lost = spec.fleets.flatMap((fleet) => lostIn(pass, survey, plan, fleet));
    for (const { fleet, names } of lost) {
      pass.log('names.lost', { certificate: spec.name, fleet, names: names.slice(0, MAX_NAMED) });
    }
    return lost.length === 0 ? plan : { ...plan, lost };
  });
}

function lostIn({ config, timing }: Pass, { manifests }: Survey, plan: Plan, fleet: FleetName): FleetLoss[] {
  const { name, identifiers } = plan.spec;
  const manifest = manifests.get(fleet)?.manifest;
  const entry = manifest?.certificates[name];
  if (manifest === undefined || entry === undefined) return [];
  const others = specsOfFleet(config.certificates, fleet).filter((spec) => spec.name !== name);
  const holders = [...others, ...stayingIn(config.certificates, manifest, timing.now())];
  const names = entry.identifiers.filter(
    (one) =>
      hasListed(one, entry) &&
      !identifiers.some((own) => coversName(own, one)) &&
      !holders.some((holder) => hasListed(one, holder)),
  );
  return names.length === 0 ? [] : [{ fleet, names }];
}

async function waitingOf(
  pass: Pass,
  survey: Survey,
  plan: Plan,
  proofs: Map<FleetName, FleetProofs>,
): Promise<Waiting | undefined> {
  const { spec, published } = plan;
  if (published === undefined || !mayWait(pass, survey, plan, published)) return undefined;
  const lost = published.identifiers.filter((name) => !spec.identifiers.some((own) => coversName(own, name)));
  for (const fleet of lost.length === 0 ? [] : spec.fleets) {
    const waiting = await waitingIn(pass, survey, { plan, fleet, lost }, proofs);
    if (waiting !== undefined) return waiting;
  }
  return undefined;
}

function mayWait(
  { options, timing }: Pass,
  { revoked }: Survey,
  { decision, isFreshKey }: Plan,
  { pems }: ManifestEntry,
): boolean {
  if (!('directoryUrl' in decision) || options.force || isFreshKey) return false;
  const now = timing.now();
  return pems.every((pem) => !revoked.has(pem.sha256) && !isEmergency(pem, now));
}

async function waitingIn(
  pass: Pass,
  survey: Survey,
  { plan, fleet, lost }: { plan: Plan; fleet: FleetName; lost: readonly string[] },
  proofs: Map<FleetName, FleetProofs>,
): Promise<Waiting | undefined> {
  const read = survey.manifests.get(fleet);
  const { name } = plan.spec;
  // What the fleet does not serve, it does not lose.
  if (read?.manifest.certificates[name] === undefined) return undefined;
  const others = pass.config.certificates.filter((spec) => spec.name !== name);
  // Those that nobody else is to get go on the operator's word.
  const names = lost.filter((one) =>
    specsOfFleet(others, fleet).some(({ identifiers }) => identifiers.some((held) => coversName(held, one))),
  );
  if (names.length === 0) return undefined;
  const coverage = coverageOf(names, others, read.manifest, pass.timing.now());
  if (coverage.uncovered.length > 0) return { fleet, names: coverage.uncovered };
  const fleetProofs = proofs.get(fleet) ?? new FleetProofs(pass, read, survey.trusted);
  proofs.set(fleet, fleetProofs);
  try {
    const hosts = await fleetProofs.hostsWithoutProof({ fleet, name }, coverage);
    // Without a living host there is nobody to prove it, and nobody to go dark.
    return hosts === undefined || hosts.length === 0 ? undefined : { fleet, names, hosts };
  } catch (error) {
    if (!(error instanceof BucketError || error instanceof ContractError)) throw error;
    pass.log('status.failed', { fleet, code: codeOf(error), error: messageOf(error) });
    return { fleet, names };
  }
}
