/** What a probe has found, in one word each; pure. */
import type { X509Certificate } from 'node:crypto';
import { keyTypeOf } from '#contract/combined-pem.ts';
import type { PemRef } from '#contract/manifest.ts';
import type { Handshake } from './handshake.ts';
import { type ProbeTarget, servernameOf } from './target.ts';

/** docs/cli.md has the table. */
export type ProbeVerdict =
  /** What is published. */
  | 'served'
  /** What was published before, and its successor is half an hour old at most. */
  | 'renewing'
  /** The DNS has no address for it. */
  | 'no-address'
  /** An address that a probe must not ask. */
  | 'not-public'
  /** This machine has no way there: no IPv6. */
  | 'no-route'
  | 'dns-failed'
  | 'unreachable'
  /** An IPv6 address that does not answer, while an IPv4 address of the same name does. */
  | 'dead-ipv6'
  | 'refused'
  /** An earlier certificate of ours: a load balancer or host that has not followed. */
  | 'stale'
  /** One of the same CA for this name that we never published: another account. */
  | 'other-account'
  /** One of another CA for this name: something stands in front, such as a content delivery network. */
  | 'other-issuer'
  /** One that is not for this name. */
  | 'other-names'
  | 'expired'
  | 'incomplete-chain'
  /** Of an RSA and an elliptic certificate, one is not handed out. */
  | 'wrong-key-type'
  /** The time was up before. */
  | 'out-of-time';

/** Whether clients get what is published; `unknown`: not asked for, not from here, or its addresses are not known. */
const MEANINGS: Readonly<Record<ProbeVerdict, 'well' | 'wrong' | 'unknown'>> = {
  served: 'well',
  renewing: 'well',
  'no-address': 'well',
  'not-public': 'well',
  'no-route': 'unknown',
  'out-of-time': 'unknown',
  'dns-failed': 'unknown',
  unreachable: 'wrong',
  'dead-ipv6': 'wrong',
  refused: 'wrong',
  stale: 'wrong',
  'other-account': 'wrong',
  'other-issuer': 'wrong',
  'other-names': 'wrong',
  expired: 'wrong',
  'incomplete-chain': 'wrong',
  'wrong-key-type': 'wrong',
};

export function meaningOf({ verdict }: Pick<ProbeJudgement, 'verdict'>): 'well' | 'wrong' | 'unknown' {
  return MEANINGS[verdict];
}

export interface WireCertificate {
  /** Upper-case hexadecimal. */
  serial: string;
  issuer: string;
  notAfter: string;
  chainLength: number;
}

export interface ProbeJudgement {
  verdict: ProbeVerdict;
  detail?: string;
  /** What the address showed. */
  wire?: WireCertificate;
}

/** What a handshake is compared with. */
export interface Expectation {
  target: ProbeTarget;
  /** What a client of this kind of key ought to get. */
  wanted: readonly PemRef[];
  /** Upper-case hexadecimal serials of what was published under this name before. */
  former: ReadonlySet<string>;
  /** Issuer of what is published, as Node prints it; undefined: not known yet. */
  issuer?: string | undefined;
  now: Date;
}

export function judgeHandshake(expected: Expectation, handshake: Handshake): ProbeJudgement {
  const { target, wanted, now } = expected;
  if (handshake.kind !== 'chain') return { verdict: handshake.kind, detail: handshake.detail };
  const [leaf] = handshake.chain;
  if (leaf === undefined) return { verdict: 'refused', detail: 'sent no certificate' };
  const wire = wireOf(leaf, handshake.chain.length);
  const pem = wanted.find(({ serial }) => serial === wire.serial);
  if (pem !== undefined) return { ...judgeOwn(handshake.chain, pem, now), wire };
  const isOther = target.wanted.some(({ serial }) => serial === wire.serial);
  if (isOther) {
    const types = wanted.map(({ keyType }) => keyType).join(', ');
    return { verdict: 'wrong-key-type', detail: `wanted ${types}, saw ${keyTypeOf(leaf.publicKey)}`, wire };
  }
  return { ...judgeOthers(expected, leaf), wire };
}

/** It is the certificate that is published. */
function judgeOwn(chain: readonly X509Certificate[], pem: PemRef, now: Date): ProbeJudgement {
  if (Date.parse(pem.notAfter) <= now.getTime()) {
    return { verdict: 'expired', detail: `since ${pem.notAfter}; nothing newer is published` };
  }
  const links = chain.slice(1).every((issuer, index) => chain[index]?.checkIssued(issuer));
  if (chain.length >= pem.chainLength && links) return { verdict: 'served' };
  const saw = links ? `${chain.length}` : `${chain.length} that do not follow from each other`;
  const detail = `wanted a chain of ${pem.chainLength}, saw ${saw}: some clients do not trust it`;
  return { verdict: 'incomplete-chain', detail };
}

/** It is another certificate. What it is says where it comes from. */
function judgeOthers({ target, former, issuer, now }: Expectation, leaf: X509Certificate): ProbeJudgement {
  const isFormer = former.has(leaf.serialNumber);
  const isExpired = new Date(leaf.validTo) <= now;
  if (isFormer && target.isFresh && !isExpired)
    return { verdict: 'renewing', detail: 'hosts may not have polled yet' };
  if (isFormer) {
    const end = isExpired ? ', which has expired' : '';
    return {
      verdict: 'stale',
      detail: `an earlier certificate of ours${end}: something there has not followed`,
    };
  }
  if (!isFor(leaf, target.name)) {
    return { verdict: 'other-names', detail: `a certificate for ${namesIn(leaf)}` };
  }
  if (isExpired) return { verdict: 'expired', detail: 'a certificate that is not ours, and has expired' };
  const isSameCa = issuer !== undefined && organisationOf(issuer) === organisationOf(leaf.issuer);
  return isSameCa
    ? { verdict: 'other-account', detail: 'of the same CA, and never published by us' }
    : { verdict: 'other-issuer', detail: 'of another CA: something stands in front' };
}

function wireOf(leaf: X509Certificate, chainLength: number): WireCertificate {
  return {
    serial: leaf.serialNumber,
    issuer: leaf.issuer.replaceAll('\n', ', '),
    notAfter: new Date(leaf.validTo).toISOString(),
    chainLength,
  };
}

function isFor(leaf: X509Certificate, name: string): boolean {
  const servername = servernameOf(name);
  return servername === undefined
    ? leaf.checkIP(name) !== undefined
    : leaf.checkHost(servername, { subject: 'never' }) !== undefined;
}

/** At most three. */
function namesIn(leaf: X509Certificate): string {
  const names = (leaf.subjectAltName ?? leaf.subject)
    .split(', ')
    .map((name) => name.replace(/^[A-Za-z ]+:/, ''));
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}

/** CAs change their intermediates, and keep the organisation. @param name as Node prints it: a line for each attribute */
function organisationOf(name: string): string {
  return /^O=(.*)$/m.exec(name)?.[1] ?? name;
}
