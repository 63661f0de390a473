/** What each configured CA says: whether it answers, knows our account and offers the profiles, and what time it is there. */
import { clockOffset, clockOffsetText } from '#common/clock.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { getAccount } from '../acme/account.ts';
import type { AcmeClient } from '../acme/client.ts';
import { AcmeProblem } from '../acme/problem.ts';
import type { Ca, Cas } from '../ca/ca.ts';
import type { CertificateSpec } from '../config/config.ts';
import { accountProblemOf } from '../pass/caa/ca-terms.ts';
import type { PreflightFinding } from './finding.ts';

/** Five minutes: Let's Encrypt dates certificates back by an hour, others by less, and hosts refuse what is not valid yet. */
const LARGEST_OFFSET_MS = 5 * 60_000;

/** @param cas the first one first */
export async function checkCas(
  cas: Cas,
  certificates: readonly CertificateSpec[],
  now: () => Date,
): Promise<PreflightFinding[]> {
  const profiles = [...new Set(certificates.flatMap(({ profile = [] }) => profile))];
  const checks = [...cas.values()].map((ca, index) => checkCa(ca, { profiles, isFallback: index > 0 }, now));
  return (await Promise.all(checks)).flat();
}

/** Profiles of all certificates. */
interface Wanted {
  profiles: readonly string[];
  /** A fallback CA that has no such profile gets orders without it. */
  isFallback: boolean;
}

async function checkCa(ca: Ca, wanted: Wanted, now: () => Date): Promise<PreflightFinding[]> {
  const subject = ca.settings.directoryUrl;
  try {
    const begin = now();
    const { date } = await ca.freshDirectory();
    const clock = clockFinding(subject, date, begin, now());
    return [clock, await accountFinding(ca), ...(await profileFindings(ca, wanted))];
  } catch (error) {
    const wanted = 'the directory of the CA';
    const saw = `${codeOf(error)} ${messageOf(error)}`;
    const advice = 'can this machine reach the CA (firewall, proxy, caFile)?';
    return [{ check: 'account', subject, result: 'failed', wanted, saw, advice }];
  }
}

function clockFinding(subject: string, date: string | undefined, begin: Date, end: Date): PreflightFinding {
  const finding = { check: 'clock' as const, subject, wanted: "this machine's clock as the CA's" };
  const storeTime = new Date(date ?? '');
  if (Number.isNaN(storeTime.getTime()))
    return { ...finding, result: 'unknown', saw: 'no Date in its answer' };
  const offsetMs = clockOffset({ storeTime, begin, end });
  if (Math.abs(offsetMs) < LARGEST_OFFSET_MS) return { ...finding, result: 'ok', saw: date ?? '' };
  return { ...finding, result: 'failed', saw: clockOffsetText(offsetMs), advice: 'set the clock (NTP)' };
}

async function accountFinding(ca: Ca): Promise<PreflightFinding> {
  const subject = ca.settings.directoryUrl;
  const finding = { check: 'account' as const, subject, wanted: 'an account that is valid' };
  const client = await ca.storedAccount();
  if (client === undefined) {
    const advice = 'nothing: the next pass registers one, and pemfleet account does so now';
    return { ...finding, result: 'unknown', saw: 'none yet', advice };
  }
  const status = await statusOf(client);
  const { accountUrl = '' } = client;
  const { accountProblem } = accountProblemOf(ca.settings, client);
  if (status === 'valid' && accountProblem !== undefined) {
    return { ...finding, wanted: 'acme.accountUri as our account', result: 'failed', saw: accountProblem };
  }
  if (status === 'valid') return { ...finding, result: 'ok', saw: `${accountUrl} is valid` };
  const saw = `${accountUrl}: ${status instanceof Error ? messageOf(status) : status}`;
  if (status instanceof Error && !isRefused(status)) {
    const advice = 'nothing is known of the account: the CA gives no good answer; ask again later';
    return { ...finding, result: 'unknown', saw, advice };
  }
  const advice = 'pemfleet account says how to get another one; orders fail until then';
  return { ...finding, result: 'failed', saw, advice };
}

/** RFC 8555 §7.1.2. @returns the account's status, or what the CA answers in its place */
async function statusOf(client: AcmeClient): Promise<string | Error> {
  try {
    return (await getAccount(client)).status;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

/** The CA says that the account is over; all else may be its trouble of the moment. */
function isRefused(error: Error): boolean {
  return error instanceof AcmeProblem && ['unauthorized', 'accountDoesNotExist'].includes(error.type);
}

async function profileFindings(ca: Ca, { profiles, isFallback }: Wanted): Promise<PreflightFinding[]> {
  const { meta } = await ca.directory();
  const offered = Object.keys(meta?.profiles ?? {});
  return profiles.map((profile) => {
    const finding = {
      check: 'profile' as const,
      subject: ca.settings.directoryUrl,
      wanted: `profile ${profile}`,
      saw: offered.join(', ') || 'no profiles',
    };
    if (offered.includes(profile)) return { ...finding, result: 'ok' };
    if (isFallback)
      return { ...finding, result: 'ok', saw: `${finding.saw}: ordered without a profile here` };
    return { ...finding, result: 'failed', advice: 'choose one that the CA offers' };
  });
}
