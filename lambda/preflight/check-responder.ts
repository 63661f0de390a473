/**
 * HTTP-01 without a CA: a token of our own goes the way of a real one, into the bucket, and is asked for at port 80 of every address of every
 * name, through HAProxy. It is removed whatever comes back. Where HAProxy answers by itself (stateless), nothing is written.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { inParallel } from '#common/in-parallel.ts';
import { dnsFaultText, isUnreached, nameServerAdvice } from '#common/net/dns-fault.ts';
import { isPublicAddress } from '#common/public-address.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { PresentedChallenge, Solvers } from '../challenge/solver.ts';
import type { ChallengeName } from '../config/challenge.ts';
import type { CertificateSpec } from '../config/config.ts';
import type { Resolve } from '../probe/resolve.ts';
import { fetchAnswer } from './fetch-answer.ts';
import { NAMES_AT_ONCE, type PreflightFinding } from './finding.ts';

export interface ResponderCheck {
  certificates: readonly CertificateSpec[];
  solvers: Solvers;
  resolve: Resolve;
  /** Of the account that HAProxy answers for; undefined: there is none. */
  thumbprint: string | undefined;
  /** Connects to addresses of private networks, too. */
  allowPrivate: boolean;
  /** 80, but for tests. */
  port?: number;
}

type HttpChallenge = Extract<ChallengeName, 'http-01' | 'http-01-stateless'>;

/** So many names at any speed; beyond them, at most 100 in a second. */
const [UNPACED, PACE_MS] = [50, 200];
const ADVICE = {
  'http-01':
    'does HAProxy pass /.well-known/acme-challenge/ to the responder (pemfleet haproxy-config), does the responder run (pemfleet doctor), and does it read this bucket?',
  'http-01-stateless':
    "has this HAProxy the lines of pemfleet haproxy-config, with this account's thumbprint?",
} as const;

export async function checkResponder(check: ResponderCheck): Promise<PreflightFinding[]> {
  const findings = await Promise.all(
    (['http-01', 'http-01-stateless'] as const).map((challenge) => checkChallenge(check, challenge)),
  );
  return findings.flat();
}

async function checkChallenge(check: ResponderCheck, challenge: HttpChallenge): Promise<PreflightFinding[]> {
  const names = [
    ...new Set(
      check.certificates.flatMap((spec) => (spec.challenge.includes(challenge) ? spec.identifiers : [])),
    ),
  ];
  if (names.length === 0) return [];
  // As long and as random as a CA's: what is not there yet cannot be guessed, or be in a cache.
  const token = randomBytes(24).toString('base64url');
  const suffix = challenge === 'http-01' ? 'pemfleet-check' : check.thumbprint;
  if (suffix === undefined) return names.map(withoutAccount);
  const answer = { identifier: names[0] ?? '', token, keyAuthorization: `${token}.${suffix}` };
  const solver = await check.solvers.of(challenge);
  try {
    await solver.present([answer]);
  } catch (error) {
    return [notWritten(error)];
  }
  // HAProxy's lines refuse whoever asks too fast for what is not there: a responder with another bucket would hide behind that.
  const pace = names.length > UNPACED ? () => sleep(PACE_MS) : () => undefined;
  const work = async (name: string) => {
    const [findings] = await Promise.all([checkName(check, challenge, answer, name), pace()]);
    return findings;
  };
  const checks = await Promise.allSettled([inParallel(names, NAMES_AT_ONCE, work, (name) => name)]);
  const left = await solver.cleanUp([answer]).then(
    () => [],
    (error: unknown) => [notRemoved(error, token)],
  );
  const [checked] = checks;
  if (checked.status === 'rejected') throw checked.reason;
  return [...checked.value.flat(), ...left];
}

function notRemoved(error: unknown, token: string): PreflightFinding {
  const finding = { check: 'responder' as const, subject: 'the bucket', result: 'failed' as const };
  const saw = `${codeOf(error)} ${messageOf(error)}: the token ${token} is left`;
  return {
    ...finding,
    wanted: 'to remove the token of our own',
    saw,
    advice: 'may this user delete in the bucket?',
  };
}

function notWritten(error: unknown): PreflightFinding {
  const finding = { check: 'responder' as const, subject: 'the bucket', result: 'failed' as const };
  const saw = `${codeOf(error)} ${messageOf(error)}`;
  return {
    ...finding,
    wanted: 'to write a token of our own',
    saw,
    advice: 'may this user write into the bucket?',
  };
}

function withoutAccount(subject: string): PreflightFinding {
  const [wanted, saw] = ['an answer with the thumbprint of our account', 'there is no account yet'];
  return {
    check: 'responder',
    subject,
    result: 'unknown',
    wanted,
    saw,
    advice: 'pemfleet account registers it',
  };
}

async function checkName(
  check: ResponderCheck,
  challenge: HttpChallenge,
  answer: PresentedChallenge,
  name: string,
): Promise<PreflightFinding[]> {
  const { addresses, fault } = isIP(name) ? { addresses: [name] } : await check.resolve(name);
  if (addresses.length === 0) {
    const result = fault === undefined ? 'failed' : 'unknown';
    const saw = fault === undefined ? 'none' : dnsFaultText(fault);
    const advice = isUnreached(fault)
      ? nameServerAdvice('probe.resolvers')
      : 'the name needs an A or AAAA record that leads to HAProxy';
    return [{ check: 'addresses', subject: name, result, wanted: 'addresses in the DNS', saw, advice }];
  }
  return Promise.all(addresses.map((address) => checkAddress(check, challenge, answer, { name, address })));
}

async function checkAddress(
  { allowPrivate, port = 80 }: ResponderCheck,
  challenge: HttpChallenge,
  { keyAuthorization, token }: PresentedChallenge,
  { address, name }: { address: string; name: string },
): Promise<PreflightFinding> {
  const finding = {
    check: 'responder' as const,
    subject: name,
    wanted: `our answer at port ${port} of ${address}`,
  };
  if (!allowPrivate && !isPublicAddress(address)) {
    const advice = 'a public CA cannot reach it; with a private CA, or split DNS: --allow-private';
    return { ...finding, result: 'unknown', saw: 'an address that is not public', advice };
  }
  const got = await fetchAnswer({ address, port, name, token });
  if ('text' in got && got.text === keyAuthorization) return { ...finding, result: 'ok', saw: 'it' };
  const saw = 'problem' in got ? got.problem : `another text: ${got.text.slice(0, 60)}`;
  // A CA follows redirects to ports 80 and 443; where this one leads is not looked at.
  const result = saw.startsWith('a redirect') ? 'unknown' : 'failed';
  return { ...finding, result, saw, advice: ADVICE[challenge] };
}
