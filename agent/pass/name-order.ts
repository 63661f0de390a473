/**
 * Ends a pass for certificates that share names: commits again those that are out of order, then proves each by a name
 * that only this certificate has, or that it has before all others.
 */
import { join } from 'node:path';
import { parse } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import { MAX_OCSP_BYTES, MAX_PEM_BYTES } from '#contract/limits.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { HostView, ReachableHost } from '../agent.ts';
import type { AgentConfig } from '../config/config.ts';
import {
  type DesiredAction,
  doneOutcome,
  failedOutcome,
  isDeploying,
  type Outcome,
} from '../deploy/action.ts';
import { reloadInstead } from '../deploy/deploy.ts';
import { Loader } from '../deploy/load.ts';
import { proveFile } from '../deploy/prove.ts';
import { isCanonical } from '../deploy/restore.ts';
import { stapleFileOf } from '../desired/files.ts';
import { outOfOrder } from '../desired/overlap.ts';
import { HandshakeFailed } from '../errors.ts';
import { writeLineOrder } from '../haproxy/crt-list-file.ts';

type Member = Outcome<DesiredAction>;

/** @returns the same files, each proved or with the reason why it is not */
export async function restoreNameOrder(outcomes: readonly Member[], view: HostView): Promise<Member[]> {
  const byFile = new Map(outcomes.map((outcome) => [outcome.action.file, outcome]));
  const groups = groupsOf(outcomes);
  if (view.haproxy === undefined || view.blocker !== undefined) return orderLines(outcomes, groups, view);
  for (const group of groups) {
    const members = group.flatMap((file) => byFile.get(file) ?? []);
    for (const member of await restoreGroup(members, view)) byFile.set(member.action.file, member);
  }
  const ordered = outcomes.map((outcome) => byFile.get(outcome.action.file) ?? outcome);
  return orderLines(ordered, groups, view);
}

/** Each file with those that share names with it, in their order. */
function groupsOf(outcomes: readonly Member[]): (readonly string[])[] {
  const groups = new Map<string, readonly string[]>();
  for (const { action } of outcomes) {
    const group = action.desired.namesakes ?? [action.file];
    groups.set(group.join('/'), group);
  }
  return [...groups.values()];
}

/** With the lines of a crt-list file in that order, a start or reload of HAProxy changes nothing. */
async function orderLines(
  members: readonly Member[],
  groups: readonly (readonly string[])[],
  { crtListFile }: HostView,
): Promise<Member[]> {
  const shared = groups.filter(({ length }) => length > 1);
  if (crtListFile === undefined || shared.length === 0) return [...members];
  try {
    await writeLineOrder(crtListFile, shared);
    return [...members];
  } catch (error) {
    const files = new Set(shared.flat());
    return members.map((member) =>
      member.kind === 'done' && files.has(member.action.file)
        ? failedOutcome(member.action, error, member.deployed)
        : member,
    );
  }
}

async function restoreGroup(members: readonly Member[], view: ReachableHost): Promise<Member[]> {
  const files = members.map(({ action }) => action.file);
  // The plan loads them by file name.
  const loaded = files.filter((_, index) => members[index]?.deployed.isLoaded).sort();
  const proved = await proveAll(await commitAgain(outOfOrder(files, loaded), members, view), view);
  // HAProxy was started (it then has them by file name), one has expired, another program has committed one, or we were
  // killed in between.
  if (!proved.some(isAnotherServed) && isOrderKnown(files, view)) return proved;
  const committed = await commitAgain(files.slice(1), proved, view);
  rememberOrder(files, view);
  return proveAll(committed, view);
}

/** Where no handshake shows it: the order that the agent has given to the files, by file, and in which worker. */
const knownOrders = new Map<string, string>();

function isOrderKnown(files: readonly string[], { config, haproxy }: ReachableHost): boolean {
  if (files.length < 2 || config.haproxy.handshake.length > 0) return true;
  return files.every((file) => knownOrders.get(keyOf(file, config)) === orderOf(files, haproxy));
}

function rememberOrder(files: readonly string[], { config, haproxy }: ReachableHost): void {
  for (const file of files) knownOrders.set(keyOf(file, config), orderOf(files, haproxy));
}

const keyOf = (file: string, { haproxy }: AgentConfig) => `${haproxy.statsSocket} ${file}`;

const orderOf = (files: readonly string[], { process }: ReachableHost['haproxy']) =>
  `${process.pid} ${files.join(' ')}`;

const isAnotherServed = (outcome: Member) =>
  outcome.kind === 'failed' && codeOf(outcome.error) === 'ERR_HANDSHAKE_CERTIFICATE';

/** Commits once more what HAProxy has: the file on disk, new or old. */
async function commitAgain(
  files: readonly string[],
  members: readonly Member[],
  view: ReachableHost,
): Promise<Member[]> {
  const committed: Member[] = [];
  for (const member of members) {
    committed.push(files.includes(member.action.file) ? await commitOne(member, view) : member);
  }
  return committed;
}

/** An error from before stays. */
async function commitOne(member: Member, view: ReachableHost): Promise<Member> {
  if (member.action.kind === 'not-ours') return member;
  const path = join(view.config.haproxy.certsDir, member.action.file);
  const body = await readRegularFile(path, MAX_PEM_BYTES).catch(() => undefined);
  const text = body?.toString('utf8');
  if (!isCanonical(text)) return member;
  // What another program has put there is not what HAProxy has.
  const serial = parse(text).leaf.serialNumber;
  const staple = await readRegularFile(stapleFileOf(path), MAX_OCSP_BYTES).catch(() => undefined);
  const loader = new Loader(view.runtime, view.haproxy.capabilities);
  let { deployed } = member;
  try {
    for (const runtimeFile of view.haproxy.files.get(member.action.file) ?? []) {
      const certificate = deployed.certificate ?? runtimeFile.certificate;
      const isListed = runtimeFile.isListed || deployed.certificate !== undefined;
      if (certificate?.status !== 'Used' || !isListed || certificate.serial !== serial) continue;
      const current = { ...runtimeFile, certificate, isListed };
      ({ deployed } = await loader.load(current, { text, staple }, deployed));
    }
    return { ...member, deployed };
  } catch (error) {
    const failure = failedOutcome(member.action, error, deployed);
    return member.kind === 'failed' ? { ...member, deployed: failure.deployed } : failure;
  }
}

async function proveAll(members: readonly Member[], view: HostView): Promise<Member[]> {
  const proved: Member[] = [];
  for (const member of members) proved.push(isProvable(member) ? await proveMember(member, view) : member);
  return proved;
}

function isProvable(outcome: Member): boolean {
  if (!isDeploying(outcome.action)) return false;
  return outcome.kind === 'done' || outcome.error instanceof HandshakeFailed;
}

async function proveMember({ action, deployed }: Member, view: HostView): Promise<Member> {
  try {
    const { proved, unproven } = await proveFile(action.desired, view);
    return doneOutcome(action, { ...deployed, handshakes: proved, unproven });
  } catch (error) {
    return failedOutcome(action, await reloadInstead(error, action.file, view), deployed);
  }
}
