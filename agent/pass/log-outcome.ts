/** What a pass logs: one event a fact. Stages return what they did, and the storyboard logs it. */
import { codeOf, messageOf, PemRejected } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { PassResult } from '../agent.ts';
import type { Blocker } from '../blocker.ts';
import type { Action, DesiredAction, FailedOutcome, Outcome, ReloadDecision } from '../deploy/action.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import type { HaproxyView } from '../haproxy/view.ts';
import type { EventName, Log } from '../log.ts';
import type { KnownProofs } from '../proof/known.ts';
import { deadBindConditions } from '../proof/status.ts';
import { type Condition, conditionMessage } from '../trust/conditions.ts';
import { stateOf, twoIssuersOf } from './host-status.ts';
import type { PollResult } from './poll.ts';

/** What keeps a manifest out is logged by each poll. */
export function logPoll(
  log: Log,
  { error, isNew, manifest, conditions }: PollResult,
  previous: HostStatus | undefined,
): void {
  if (error !== undefined) log('manifest.failed', errorFields(error));
  else log(isNew ? 'manifest.changed' : 'manifest.unchanged', { etag: manifest?.etag });
  logConditions(log, conditions, previous);
}

/** A condition is logged when it begins and when its message changes. */
export function logConditions(
  log: Log,
  conditions: readonly Condition<string>[],
  previous: HostStatus | undefined,
): void {
  const texts = conditions.map((one) => ({ condition: one.condition, message: conditionMessage(one) }));
  logNew(log, texts, previous);
}

/** One line for an address that does not answer, however many certificates it is to prove. */
export function logDeadBinds(log: Log, proofs: KnownProofs, previous: HostStatus | undefined): void {
  logNew(log, deadBindConditions(proofs), previous);
}

function logNew(
  log: Log,
  conditions: readonly { condition: string; message: string }[],
  previous: HostStatus | undefined,
): void {
  const before = new Set(previous?.conditions?.map(({ condition, message }) => `${condition} ${message}`));
  for (const { condition, message } of conditions) {
    if (!before.has(`${condition} ${message}`)) log('host.condition', { condition, message });
  }
}

export function logBlocker(log: Log, blocker: Blocker | undefined): void {
  if (blocker !== undefined) log('haproxy.unreachable', errorFields(blocker));
}

export function logOutcome(log: Log, outcome: Outcome): void {
  const { action, deployed } = outcome;
  const { certificate, file, reason, desired } = action;
  const subject = { certificate, file, serial: desired?.serial };
  if (deployed.isWritten) log('certificate.installed', { ...subject, reason });
  if (deployed.isListed) log('certificate.listed', { ...subject, reason });
  if (deployed.isLoaded) log('certificate.loaded', { ...subject, reason });
  if (deployed.handshakes?.length && !isProofRenewed(action)) {
    log('certificate.proven', { ...subject, binds: deployed.handshakes.join() });
  }
  if (deployed.staple?.sha256) log('staple.loaded', { ...subject, nextUpdate: desired?.staple?.nextUpdate });
  if (deployed.stapleError !== undefined) {
    log('staple.failed', { ...subject, ...errorFields(deployed.stapleError) });
  }
  if (desired?.isUnlisted && !desired.isEnding && !action.isKnown) {
    const until = desired.notAfter.toISOString();
    log('certificate.unlisted', { ...subject, reason: 'the manifest names neither it nor its end', until });
  }
  const isKnown = action.desired === undefined && action.isKnown && stateOf(outcome) === 'needs-reload';
  if (isKnown) return;
  if (outcome.kind === 'failed') {
    log(failureEvent(outcome), { ...subject, reason, ...errorFields(outcome.error) });
  } else if (desired?.lineProblem !== undefined) {
    log('certificate.failed', { ...subject, code: 'ERR_CRT_LIST_LINE', message: desired.lineProblem });
  } else if (action.kind === 'needs-reload') {
    log('certificate.needs-reload', { ...subject, reason, code: action.code });
  } else if (action.kind === 'backed-off') {
    log('certificate.failed', { ...subject, reason });
  } else if (action.kind === 'remove' || action.kind === 'forget') {
    log('certificate.removed', { ...subject, reason });
  }
}

const isProofRenewed = (action: Action) => action.desired !== undefined && action.isProofRenewed;

export function logReloadDecision(log: Log, decision: ReloadDecision): void {
  if (decision.kind === 'wait') log('reload.deferred', { until: decision.until.toISOString() });
  if (decision.kind === 'in-vain') {
    log('reload.in-vain', {
      reason: 'it was reloaded for these files already: does its configuration name them?',
    });
  }
}

export function logTwoIssuers(log: Log, actions: readonly Action[], haproxy: HaproxyView | undefined): void {
  for (const { certificate, file } of actions) {
    const twoIssuers = twoIssuersOf(file, haproxy);
    if (twoIssuers !== undefined) log('certificate.two-issuers', { certificate, file, ...twoIssuers });
  }
}

/** Both certificates of a name that two of them have. */
export function logOverlaps(log: Log, outcomes: readonly Outcome<DesiredAction>[]): void {
  for (const { action } of outcomes) {
    const { file, certificate, desired } = action;
    if (!desired.shadows?.length) continue;
    const names = desired.shadows.map(({ name }) => name);
    const servedBy = new Set(desired.shadows.map(({ by }) => by));
    const reasons = new Set(desired.shadows.map(({ why }) => why));
    log('names.overlap', {
      certificate,
      file,
      names: names.slice(0, 5).join(),
      count: names.length,
      servedBy: [...servedBy].join(),
      reason: [...reasons].join('; '),
    });
  }
}

function failureEvent(outcome: FailedOutcome): EventName {
  if (outcome.error instanceof PemRejected) return 'pem.rejected';
  const state = stateOf(outcome);
  if (state === 'needs-reload') return 'certificate.needs-reload';
  return state === 'pending' ? 'certificate.pending' : 'certificate.failed';
}

export function logResult(log: Log, { status, isChanged }: PassResult, ms: number): void {
  const count = (state: string) => status.files.filter((file) => file.state === state).length;
  const [served, failed, pending, needsReload] = ['served', 'failed', 'pending', 'needs-reload'].map(count);
  log('run.finished', { served, failed, pending, 'needs-reload': needsReload, changed: isChanged, ms });
}

export function errorFields(error: unknown): {
  code: string;
  message: string;
  severity?: number | undefined;
} {
  const severity = error instanceof RuntimeCommandFailed ? error.severity : undefined;
  return { code: codeOf(error), message: messageOf(error), severity };
}
