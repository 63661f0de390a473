/**
 * Pure: what differs from what the last pass has left, though nobody ordered it. A new publication, new settings, an agent that was
 * killed while it wrote, or lost records are no drift: nothing is compared with them.
 */
import type { Action, DesiredAction, DiskFile } from '../deploy/action.ts';
import { stapleFileOf, stapleOf } from '../desired/files.ts';
import { desiredTails } from '../desired/listing.ts';
import { isSameTails } from '../haproxy/crt-list-file.ts';
import type { Tails } from '../haproxy/crt-list-line.ts';
import {
  type HaproxyView,
  isDetached,
  isListedOtherwise,
  isServing,
  type RuntimeFile,
} from '../haproxy/view.ts';
import type { FileRecord } from '../state/file-record.ts';
import type { LeftFile, LeftSettings } from '../state/left.ts';

/** docs/bucket.md says what each means. */
export type DriftKind =
  | 'file-edited'
  | 'file-missing'
  | 'file-replaced'
  | 'mode-changed'
  | 'line-missing'
  | 'line-changed'
  | 'runtime-foreign'
  | 'chain-lost'
  | 'update-lost'
  | 'staple-lost';

export interface DriftFacts {
  disk: ReadonlyMap<string, DiskFile>;
  haproxy: HaproxyView | undefined;
  /** Lines of the crt-list file on disk, where there is one. */
  listed: Tails | undefined;
  recordOf: (file: string) => FileRecord | undefined;
  /** `settings` are those of this pass, or nothing is compared. */
  left: LeftSettings | undefined;
  settings: string;
  now: Date;
}

export interface DetectedDrift {
  kind: DriftKind;
  /** Where it shows: an owner and a time can be read there, or not. */
  place: 'file' | 'staple' | 'crt-list' | 'haproxy';
  file: string;
  certificate: string;
}

/** At most one a file: what comes first is the cause of what follows. */
export function detectDrift(actions: readonly Action[], facts: DriftFacts): DetectedDrift[] {
  if (facts.left === undefined || facts.left.settings !== facts.settings) return [];
  return actions.flatMap((action) => {
    const { file, certificate } = action;
    const left = facts.recordOf(file)?.left;
    const checks = left === undefined ? [] : checksOf(action, left, facts);
    for (const { place, kindOf } of checks) {
      const kind = kindOf();
      if (kind !== undefined) return [{ kind, place, file, certificate }];
    }
    return [];
  });
}

interface Check {
  place: DetectedDrift['place'];
  kindOf: () => DriftKind | undefined;
}

function checksOf(action: Action, left: LeftFile, facts: DriftFacts): Check[] {
  const onDisk: Check = { place: 'file', kindOf: () => diskKind(action.file, left, facts) };
  // Where the manifest ends it, or has just ceased to name it, somebody has ordered that.
  const isGivenUp = action.kind === 'forget' && !action.isEnded && facts.recordOf(action.file)?.unlisted;
  if (action.desired === undefined) return isGivenUp ? [onDisk] : [];
  if (left.sha256 !== action.desired.sha256) return [];
  return [
    onDisk,
    { place: 'crt-list', kindOf: () => lineKind(action, left, facts) },
    { place: 'haproxy', kindOf: () => runtimeKind(action, left, facts) },
    { place: 'staple', kindOf: () => stapleKind(action, left, facts) },
  ];
}

function diskKind(file: string, { sha256 }: LeftFile, { disk, recordOf }: DriftFacts): DriftKind | undefined {
  const onDisk = disk.get(file);
  if (onDisk === undefined) return 'file-missing';
  if (onDisk.sha256 === sha256) return onDisk.isGuarded ? undefined : 'mode-changed';
  // An agent of ours was killed, or another one shares the directory.
  if (recordOf(file)?.written.includes(onDisk.sha256)) return undefined;
  return onDisk.sha256 === '' ? 'file-replaced' : 'file-edited';
}

/** Where the manifest says nothing of a line, its options are the operator's. */
function lineKind(
  { file, desired: { listing } }: DesiredAction,
  { lines }: LeftFile,
  { listed }: DriftFacts,
): DriftKind | undefined {
  if (lines === undefined || listed === undefined) return undefined;
  const onDisk = listed.get(file) ?? [];
  if (isSameTails(onDisk, lines)) return undefined;
  const isOrdered = listing !== undefined && !isSameTails(desiredTails(listing, onDisk), lines);
  if (isOrdered) return undefined;
  if (onDisk.length === 0) return 'line-missing';
  return listing === undefined ? undefined : 'line-changed';
}

function runtimeKind(
  { file, desired }: DesiredAction,
  left: LeftFile,
  facts: DriftFacts,
): DriftKind | undefined {
  const { haproxy, listed } = facts;
  if (haproxy === undefined || !left.isServed) return undefined;
  // A line that the operator has changed is another one in HAProxy, too.
  if (left.lines !== undefined && !isSameTails(listed?.get(file) ?? [], left.lines)) return undefined;
  const runtimeFiles = haproxy.files.get(file) ?? [];
  const wrong = runtimeFiles.find((one) => !isServing(one, desired));
  if (wrong === undefined) return runtimeFiles.some(isListedOtherwise) ? 'line-changed' : undefined;
  // HAProxy's configuration names neither file nor directory any more: the state says so.
  const isNamed = wrong.certificate !== undefined || wrong.crtList !== undefined;
  if (!isNamed || isDetached(wrong)) return undefined;
  return wrongKind(wrong, desired, isReloaded(facts));
}

function wrongKind(
  { certificate, isListed }: RuntimeFile,
  desired: DesiredAction['desired'],
  isNewWorker: boolean,
): DriftKind {
  const isChainShort =
    certificate?.serial === desired.serial &&
    (certificate.chainLength ?? desired.chainLength) < desired.chainLength;
  if (isListed && isChainShort) return 'chain-lost';
  if (isNewWorker) return 'update-lost';
  return isListed && certificate !== undefined ? 'runtime-foreign' : 'line-missing';
}

export function isReloaded({ haproxy, left }: Pick<DriftFacts, 'haproxy' | 'left'>): boolean {
  return haproxy !== undefined && left?.pid !== undefined && left.pid !== haproxy.process.pid;
}

/** HAProxy hands out none that has expired, so nothing is lost then. */
function stapleKind(
  { file, desired }: DesiredAction,
  left: LeftFile,
  facts: DriftFacts,
): DriftKind | undefined {
  const staple = stapleOf(desired, facts.now)?.sha256;
  if (staple === undefined || staple !== left.staple) return undefined;
  if (facts.disk.get(stapleFileOf(file))?.sha256 !== staple) return 'staple-lost';
  const runtimeFiles = left.isServed ? (facts.haproxy?.files.get(file) ?? []) : [];
  return runtimeFiles.some(({ certificate }) => certificate?.hasStaple === false) ? 'staple-lost' : undefined;
}
