/** How far each request of `issuer/replace.json` has come; pure. */
import { type OrderFailure, orderFailureOf } from '../order/back-off.ts';
import { Replacements } from './covered.ts';
import type { PublishedCertificate } from './published.ts';
import type { ReplacementRequest, ReplacementScope } from './requests.ts';

export interface ReplacementProgress {
  at: string;
  scope: string;
  reason?: string | undefined;
  /** Certificates that were covered at first. */
  certificates: number;
  /** Of these, those that nothing is left of. */
  done: number;
  /** Still to be replaced, those that fail among them. */
  left: number;
  failed: number;
  /** A few of those that fail, each with its reason. */
  failures: readonly { certificate: string; failure: OrderFailure }[];
}

const MAX_FAILURES = 5;

export function progressOf(
  request: ReplacementRequest,
  certificates: readonly PublishedCertificate[],
  now: Date,
): ReplacementProgress {
  // Also of a request whose time has not come yet: passes will obey it then.
  const replacements = new Replacements([request], new Date(request.at));
  const left = certificates.filter(({ published }) => replacements.replaceSince(published) !== undefined);
  const failures = left.flatMap(({ spec, published, stored }) => {
    // A record of before says nothing: a new order is placed.
    if (stored === undefined || stored.record.createdAt < new Date(request.at)) return [];
    const failure = orderFailureOf(stored.record, published?.pems, now);
    return failure === undefined ? [] : [{ certificate: spec.name, failure }];
  });
  const { at, reason } = request;
  // What was added to the configuration since may have been published before, by another issuer.
  const all = Math.max(request.certificates, left.length);
  return {
    ...{ at, scope: scopeText(request.scope), ...(reason !== undefined && { reason }) },
    ...{ certificates: all, done: all - left.length, left: left.length },
    ...{ failed: failures.length, failures: failures.slice(0, MAX_FAILURES) },
  };
}

/** `all certificates`, `certificates of https://…, valid from before 2026-11-26T00:00:00Z, with one of 12 serials`. */
export function scopeText({ all, directoryUrl, issuedBefore, serials }: ReplacementScope): string {
  if (all) return 'all certificates';
  const parts = [
    directoryUrl && `of ${directoryUrl}`,
    issuedBefore && `valid from before ${issuedBefore}`,
    serials && (serials.length === 1 ? `with serial ${serials[0]}` : `with one of ${serials.length} serials`),
  ];
  return `certificates ${parts.filter((part) => part !== undefined).join(', ')}`;
}
