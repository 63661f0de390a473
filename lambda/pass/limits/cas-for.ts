/** The configured CAs as one certificate finds them: a limit of one registered domain or set of names pauses only what it concerns. */
import type { CaBudget } from '../../ca/budget.ts';
import type { BudgetRequest } from '../../ca/demands.ts';
import type { HeldBack } from '../../ca/held-back.ts';
import type { CaChoice } from '../due.ts';
import type { RenewalWindow } from '../renewal-windows.ts';
import { type Renewable, renewalAt } from './renewal.ts';

interface Context {
  cas: readonly CaChoice[];
  windows: ReadonlyMap<string, RenewalWindow>;
  now: Date;
  budget?: CaBudget | undefined;
}

export interface CaForCertificate extends CaChoice {
  /** Why it may not be asked for this certificate. */
  refused?: HeldBack | undefined;
}

export function casFor(
  subject: Renewable & { refused?: ReadonlyMap<string, Error> | undefined },
  context: Context,
): CaForCertificate[] {
  const { identifiers, keyTypes } = subject.spec;
  return context.cas.map((configured) => {
    const { directoryUrl, pausedUntil } = configured;
    const ca = { ...configured, isRefused: subject.refused?.has(directoryUrl) };
    const renewal = renewalAt(directoryUrl, subject, context);
    const request = { directoryUrl, identifiers, count: keyTypes.length, renewal };
    const refused = context.budget?.refusedBy(request);
    if (refused === undefined || (pausedUntil !== undefined && pausedUntil > refused.until)) return ca;
    return { ...ca, pausedUntil: refused.until, refused };
  });
}

/** A CA that may be asked now, and what it may exempt. */
export interface CaOffer {
  directoryUrl: string;
  renewal: BudgetRequest['renewal'];
}

/** Those that are neither paused nor out of reach, besides one. */
export function offersBeside(
  chosen: string,
  cas: readonly CaChoice[],
  subject: Renewable,
  context: Context,
): CaOffer[] {
  const isOver = (until: Date | undefined) => until === undefined || until <= context.now;
  return cas
    .filter((ca) => ca.directoryUrl !== chosen && !ca.isRefused)
    .filter((ca) => isOver(ca.pausedUntil) && isOver(ca.avoidedUntil))
    .map(({ directoryUrl }) => ({ directoryUrl, renewal: renewalAt(directoryUrl, subject, context) }));
}

/** The refusal that is over first. */
export function refusalIn(cas: readonly CaForCertificate[]): HeldBack | undefined {
  const all = cas.flatMap(({ refused }) => refused ?? []);
  return all.sort((a, b) => a.until.getTime() - b.until.getTime())[0];
}
