/**
 * The end of a pass for certificates that share names: those that went out of order are committed again, then each
 * is proved by a name that it alone, or it first, has.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from '#contract/combined-pem.ts';
import { codeOf } from '#contract/errors.ts';
import type { HostView } from '../agent.ts';
import { isLoading, type Outcome } from '../deploy/action.ts';
import { isCanonical } from '../deploy/deploy.ts';
import { proveServed } from '../deploy/handshake.ts';
import { loadStapled } from '../deploy/staple.ts';
import { type DesiredFile, stapleFileOf } from '../desired/files.ts';
import { outOfOrder, servedNames } from '../desired/overlap.ts';
import { HandshakeFailed } from '../errors.ts';

export async function restoreNameOrder(outcomes: readonly Outcome[], view: HostView): Promise<void> {
  if (view.haproxy === undefined || view.blocker !== undefined) return;
  const byFile = new Map(outcomes.map((outcome) => [outcome.action.file, outcome]));
  const groups = new Set(
    outcomes.map(({ action: { desired, file } }) => (desired?.namesakes ?? [file]).join('\0')),
  );
  for (const group of groups) {
    const members = group.split('\0').flatMap((file) => byFile.get(file) ?? []);
    await settleGroup(members, view);
  }
}

async function settleGroup(members: readonly Outcome[], view: HostView): Promise<void> {
  const files = members.map(({ action }) => action.file);
  const loaded = new Set(
    members.filter(({ progress }) => progress.isLoaded).map(({ action }) => action.file),
  );
  await commitAgain(outOfOrder(files, loaded), members, view);
  const isAnotherServed = await proveAll(members, view);
  // Somebody has committed the first one by hand, or we were killed in between.
  if (!isAnotherServed) return;
  await commitAgain(files.slice(1), members, view);
  await proveAll(members, view);
}

/** What HAProxy has, once more: the file on disk, right or old. */
async function commitAgain(
  files: readonly string[],
  members: readonly Outcome[],
  view: HostView,
): Promise<void> {
  for (const outcome of members.filter(({ action }) => files.includes(action.file))) {
    try {
      await commitOne(outcome, view);
    } catch (error) {
      outcome.error ??= error;
    }
  }
}

async function commitOne(
  { action, progress }: Outcome,
  { runtime, haproxy, config }: HostView,
): Promise<void> {
  const path = join(config.haproxy.certsDir, action.file);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (haproxy === undefined || !isCanonical(text)) return;
  const staple = await readFile(stapleFileOf(path)).catch(() => undefined);
  for (const seen of haproxy.files.get(action.file) ?? []) {
    const certificate = progress.certificate ?? seen.certificate;
    const place = { ...seen, certificate, isListed: seen.isListed || progress.certificate !== undefined };
    if (certificate?.status !== 'Used' || !place.isListed) continue;
    await loadStapled(runtime, place, { text, staple }, haproxy.capabilities, false, progress);
  }
}

/** @returns whether a bind hands out another certificate than one of these */
async function proveAll(members: readonly Outcome[], view: HostView): Promise<boolean> {
  let isAnotherServed = false;
  for (const outcome of members) {
    const { action, progress } = outcome;
    const isProvable = isLoading(action) || action.kind === 'prove';
    if (!isProvable || (outcome.error !== undefined && !(outcome.error instanceof HandshakeFailed))) continue;
    delete outcome.error;
    try {
      progress.handshakes = await prove(action.desired, view);
    } catch (error) {
      outcome.error = error;
      isAnotherServed ||= codeOf(error) === 'ERR_HANDSHAKE_CERTIFICATE';
    }
  }
  return isAnotherServed;
}

async function prove(desired: DesiredFile | undefined, { config }: HostView): Promise<string[]> {
  if (desired === undefined) return [];
  const { certsDir, handshake } = config.haproxy;
  const pem = parse(await readFile(join(certsDir, desired.file), 'utf8'));
  const shadows = new Map(desired.shadows?.map(({ name, by }) => [name, by]));
  const names = servedNames(desired);
  const [first = ''] = names;
  if (names.some((name) => !shadows.has(name)) || names.length === 0)
    return proveServed(handshake, desired, pem);
  const detail = `${shadows.get(first)} has this name too and comes first; ${desired.file} has no name of its own: take one of the two out, or give it a name`;
  throw new HandshakeFailed('ERR_HANDSHAKE_OVERLAP', 'any bind', first, detail);
}
