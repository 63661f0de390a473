/**
 * What a CA refuses by one of its limits, for a while: it concerns one registered domain, one set of names or one name, not the CA. Boulder
 * says which in the text (ratelimits/limiter.go, wfe2/wfe.go) and by the link to the limit's section; other texts say nothing, and the whole
 * CA is paused. Pure.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { AcmeProblem } from '../acme/problem.ts';
import type { LimitKind } from '../config/limits.ts';
import { ACCOUNT, type BudgetRequest, setKey, validatedNames } from './demands.ts';
import { registeredDomainsOf } from './registered-domain.ts';

export interface LimitRefusal {
  kind: LimitKind;
  subjects: readonly string[];
  until: Date;
}

type Refused = Pick<BudgetRequest, 'directoryUrl' | 'identifiers'>;

interface Limitation {
  kind: LimitKind;
  /** Fragment of the link to Let's Encrypt's page. */
  section: RegExp;
  text: RegExp;
  /** How long, if the CA does not say. */
  usualMs: number;
  subjects: (named: string | undefined, refused: Refused) => readonly string[];
}

const only = <T>(all: readonly T[]): readonly T[] => (all.length === 1 ? all : []);

/** The first that fits. */
const LIMITATIONS: readonly Limitation[] = [
  {
    kind: 'consecutiveFailures',
    section: /consecutive-authorization-failures/,
    text: /temporarily prevented from requesting certificates for (.+?) and possibly others/,
    usualMs: DAY_MS,
    subjects: (named, { identifiers }) =>
      (named?.split(', ') ?? []).filter((name) => validatedNames(identifiers).includes(name)),
  },
  {
    kind: 'failedValidations',
    section: /authorization-failures-per-(hostname|identifier)-per-account/,
    text: /too many failed authorizations \(\d+\) for "([^"]+)"/,
    usualMs: 15 * MINUTE_MS,
    subjects: (named, { identifiers }) => {
      const names = validatedNames(identifiers);
      return named === undefined ? only(names) : names.filter((name) => name === named);
    },
  },
  {
    kind: 'certificatesPerNames',
    section: /certificates-per-exact-set/,
    text: /too many certificates \(\d+\) already issued for this exact set of/,
    usualMs: 12 * HOUR_MS,
    subjects: (_, refused) => [setKey(refused)],
  },
  {
    kind: 'certificatesPerDomain',
    section: /certificates-per-registered-domain/,
    text: /too many certificates \(\d+\) already issued for "([^"]+)"/,
    usualMs: 3 * HOUR_MS,
    subjects: (named, { identifiers }) => {
      if (named === undefined) return only(registeredDomainsOf(identifiers));
      if (named.includes('/')) return registeredDomainsOf(identifiers).filter((one) => one.includes('/'));
      return identifiers.some((name) => isWithin(name, named)) ? [named] : [];
    },
  },
  {
    kind: 'newOrders',
    section: /new-orders-per-account/,
    text: /too many new orders \(\d+\) from this account/,
    usualMs: 15 * MINUTE_MS,
    subjects: () => [ACCOUNT],
  },
];

/** However long the CA says: a day later it is asked again. */
export const LONGEST_REFUSAL_MS = DAY_MS;
const LINK = /rate-limits\/?#([a-z0-9-]+)/;
const RETRY = /retry after (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/;

/** @returns undefined for a problem that concerns the whole CA, or does not say what it concerns */
export function refusalOf(error: AcmeProblem, refused: Refused, now: Date): LimitRefusal | undefined {
  if (error.type !== 'rateLimited') return undefined;
  const { detail = '' } = error.document;
  const section = LINK.exec(detail)?.[1] ?? '';
  const limitation = LIMITATIONS.find((one) => one.text.test(detail) || one.section.test(section));
  if (limitation === undefined) return undefined;
  const { kind, text, usualMs } = limitation;
  const subjects = limitation.subjects(text.exec(detail)?.[1]?.toLowerCase(), refused);
  if (subjects.length === 0) return undefined;
  const said = error.retryAfter ?? retryTimeIn(detail) ?? new Date(now.getTime() + usualMs);
  const latest = now.getTime() + LONGEST_REFUSAL_MS;
  return { kind, subjects, until: new Date(Math.min(said.getTime(), latest)) };
}

/** Whether a refused subject concerns the request; a registered domain concerns what lies below it, whatever our suffix list says. */
export function concerns(kind: LimitKind, subject: string, request: BudgetRequest): boolean {
  switch (kind) {
    case 'newOrders':
      return request.count > 0;
    case 'certificatesPerNames':
      return subject === setKey(request);
    case 'certificatesPerDomain':
      return request.identifiers.some((name) => isWithin(name, subject)) || isNetworkOf(subject, request);
    default:
      return validatedNames(request.identifiers).includes(subject);
  }
}

function isWithin(identifier: string, domain: string): boolean {
  return identifier === domain || identifier.endsWith(`.${domain}`);
}

function isNetworkOf(subject: string, { identifiers }: BudgetRequest): boolean {
  return subject.includes('/') && registeredDomainsOf(identifiers).includes(subject);
}

function retryTimeIn(detail: string): Date | undefined {
  const [, day, time] = RETRY.exec(detail) ?? [];
  const date = new Date(`${day}T${time}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
