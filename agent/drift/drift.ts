/** Drift in the story of a pass: detected before anything is repaired, kept before it is acted on, logged when it is over. */
import type { FileStatus } from '#contract/host-status.ts';
import type { HostView } from '../agent.ts';
import { type Action, isOfDesired, type Outcome } from '../deploy/action.ts';
import { viewCrtList } from '../haproxy/crt-list-file.ts';
import type { Tails } from '../haproxy/crt-list-line.ts';
import type { Log } from '../log.ts';
import type { LeftFile } from '../state/left.ts';
import type { AgentState } from '../state/state.ts';
import { culpritOf } from './culprit.ts';
import { type DetectedDrift, detectDrift, isReloaded } from './detect.ts';
import { withDrifts } from './ledger.ts';
import { leftBy, settingsDigest } from './left.ts';

export interface NamedDrift extends DetectedDrift {
  culprit: string;
}

interface DecidedFacts {
  view: HostView;
  actions: readonly Action[];
  state: AgentState;
  listed: Tails | undefined;
}

/** What a pass is about to repair, though nobody ordered anything new. */
export async function findDrift({ view, actions, state, listed }: DecidedFacts): Promise<NamedDrift[]> {
  const { disk, haproxy, config } = view;
  const { left } = state;
  const facts = { disk, haproxy, listed, left, settings: settingsDigest(config), now: view.now() };
  const detected = detectDrift(actions, { ...facts, recordOf: (file) => state.files.get(file) });
  const worker = isReloaded(facts) ? haproxy?.process : undefined;
  const named: NamedDrift[] = [];
  for (const drift of detected) {
    named.push({ ...drift, culprit: await culpritOf(drift, config.haproxy, worker) });
  }
  return named;
}

/** What has drifted is not counted again before it was right once more. @returns the state itself where nothing is new */
export function withDrift(state: AgentState, drifts: readonly NamedDrift[], now: Date): AgentState {
  const before = state.drift ?? [];
  const drift = withDrifts(before, drifts, now);
  if (drift === before) return state;
  const forgotten = withLeftFiles(state, new Map(drifts.map(({ file }) => [file, undefined])));
  return { ...forgotten, drift: [...drift] };
}

export function logDrift(
  log: Log,
  drifts: readonly NamedDrift[],
  outcomes: readonly Outcome[],
  stateOf: (outcome: Outcome) => FileStatus['state'],
): void {
  const byFile = new Map(outcomes.map((outcome) => [outcome.action.file, outcome]));
  for (const { certificate, file, kind, culprit } of drifts) {
    const outcome = byFile.get(file);
    const isRepaired = outcome?.action.desired !== undefined && stateOf(outcome) === 'served';
    log(isRepaired ? 'drift.repaired' : 'drift.unrepaired', { certificate, file, kind, culprit });
  }
}

/** @returns the state itself where nothing is new */
export async function withLeft(
  state: AgentState,
  { view, outcomes }: { view: HostView; outcomes: readonly Outcome[] },
  stateOf: (outcome: Outcome) => FileStatus['state'],
): Promise<AgentState> {
  const ofDesired = outcomes.filter(isOfDesired);
  const files = ofDesired.map(({ action }) => action.file);
  const lines = view.crtListFile && (await viewCrtList(view.crtListFile, files));
  const left = new Map<string, LeftFile | undefined>(outcomes.map(({ action }) => [action.file, undefined]));
  for (const outcome of ofDesired) {
    const { file } = outcome.action;
    const facts = { disk: view.disk, lines: lines?.get(file), state: stateOf(outcome) };
    left.set(file, leftBy(outcome, state.files.get(file)?.left, facts));
  }
  const pid = view.haproxy?.process.pid ?? state.left?.pid;
  const settings = settingsDigest(view.config);
  const isSame = state.left?.pid === pid && state.left?.settings === settings;
  const next = withLeftFiles(state, left);
  return isSame ? next : { ...next, left: { settings, ...(pid !== undefined && { pid }) } };
}

function withLeftFiles(state: AgentState, changes: ReadonlyMap<string, LeftFile | undefined>): AgentState {
  const changed = [...changes].flatMap(([file, left]) => {
    const record = state.files.get(file);
    if (record === undefined || record.left === left) return [];
    const { left: _, ...rest } = record;
    return [[file, left === undefined ? rest : { ...rest, left }] as const];
  });
  return changed.length === 0 ? state : { ...state, files: state.files.with(changed) };
}
