/**
 * OCSP responses (RFC 6960 §4.2), checked by every rule of §3.2 and by two of HAProxy's (one single response, with
 * a nextUpdate). What passes here may say `revoked`: publication/staples.ts staples only what says `good`.
 */
import { verify, X509Certificate } from 'node:crypto';
import { childrenOf, type Element, elementsOf, MalformedDer, TAG } from '#common/der.ts';
import { MINUTE_MS } from '#common/time.ts';
import { OcspRejected } from './errors.ts';
import { ocspCertIdOf } from './request.ts';

/** The single response about one certificate (RFC 6960 §4.2.1). */
export interface OcspResponse {
  /** `unknown`: the responder does not know the certificate (§2.2). */
  status: 'good' | 'revoked' | 'unknown';
  /** When the responder knew the status to be correct (§4.2.2.1). */
  thisUpdate: Date;
  /** When newer information will be there at the latest (§4.2.2.1). */
  nextUpdate: Date;
}

/** What a response has to answer. */
export interface OcspQuestion {
  leaf: X509Certificate;
  issuer: X509Certificate;
  now: Date;
}

/** id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1 */
const BASIC = '2b0601050507300101';
/** id-kp-OCSPSigning */
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
/** Accepted signature algorithms (RFC 8017, RFC 5758) and their digests: not SHA-1. */
const DIGESTS: Readonly<Record<string, string>> = {
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};
const STATUSES: Readonly<Record<number, OcspResponse['status']>> = {
  128: 'good',
  161: 'revoked',
  130: 'unknown',
};
/** How far the responder's clock may be ahead of ours. */
const SKEW_MS = 5 * MINUTE_MS;

/** @throws OcspRejected that names the first broken rule */
export function readResponse(body: Buffer, asked: OcspQuestion): OcspResponse {
  try {
    return checkedResponse(body, asked);
  } catch (error) {
    if (error instanceof MalformedDer) {
      throw new OcspRejected('not the DER of an OCSP response', { cause: error });
    }
    throw error;
  }
}

function checkedResponse(body: Buffer, asked: OcspQuestion): OcspResponse {
  const [tbs, algorithm, signature, certificates] = childrenOf(basicOf(body), TAG.sequence);
  if (tbs === undefined || algorithm === undefined || signature?.tag !== TAG.bitString) {
    throw new OcspRejected('no signature');
  }
  checkSignature({ tbs, algorithm, signature, certificates }, asked);
  const [certId, status, thisUpdate, next] = singleOf(tbs);
  if (!isAbout(certId, asked)) throw new OcspRejected('about another certificate');
  const kind = STATUSES[status?.tag ?? 0];
  if (kind === undefined) throw new OcspRejected('no known status');
  if (next?.tag !== 0xa0) throw new OcspRejected('no nextUpdate: HAProxy would not staple it');
  const response = {
    status: kind,
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: timeOf(childrenOf(next)[0]),
  };
  checkTimes(response, asked);
  return response;
}

/** §4.2.1: OCSPResponse { responseStatus, [0] ResponseBytes { type, OCTET STRING } } */
function basicOf(body: Buffer): Element | undefined {
  const [status, bytes] = childrenOf(elementsOf(body)[0], TAG.sequence);
  if (status?.tag !== TAG.enumerated || status.content[0] !== 0) {
    throw new OcspRejected(`the responder answered with status ${status?.content[0] ?? 'none'}`);
  }
  const [type, octets] = childrenOf(childrenOf(bytes)[0]);
  if (type?.content.toString('hex') !== BASIC) throw new OcspRejected('not of the basic type');
  return elementsOf(octets?.content ?? Buffer.alloc(0))[0];
}

interface Signed {
  tbs: Element;
  algorithm: Element;
  signature: Element;
  certificates: Element | undefined;
}

/** §4.2.2.2: the issuer has signed, or a delegate whose certificate from the issuer has OCSPSigning. */
function checkSignature(
  { tbs, algorithm, signature, certificates }: Signed,
  { issuer, now }: OcspQuestion,
): void {
  const digest = DIGESTS[childrenOf(algorithm)[0]?.content.toString('hex') ?? ''];
  if (digest === undefined) throw new OcspRejected('signature algorithm not accepted');
  const delegates = certificates === undefined ? [] : childrenOf(childrenOf(certificates)[0]).map(parse);
  const signers = [issuer, ...delegates.filter((delegate) => isDelegate(delegate, issuer, now))];
  const isSigned = signers.some(({ publicKey }) =>
    verify(digest, tbs.raw, publicKey, signature.content.subarray(1)),
  );
  if (!isSigned) throw new OcspRejected('signature not by the issuer or its delegate');
}

function isDelegate(delegate: X509Certificate, issuer: X509Certificate, now: Date): boolean {
  const isValid = now >= new Date(delegate.validFrom) && now < new Date(delegate.validTo);
  if (!isValid || !delegate.keyUsage?.includes(OCSP_SIGNING)) return false;
  return delegate.checkIssued(issuer) && delegate.verify(issuer.publicKey);
}

function parse({ raw }: Element): X509Certificate {
  try {
    return new X509Certificate(raw);
  } catch {
    throw new OcspRejected("responder's certificate cannot be parsed");
  }
}

/** ResponseData { [0] version?, responderID, producedAt, responses, … } */
function singleOf(tbs: Element): Element[] {
  const fields = childrenOf(tbs, TAG.sequence);
  const singles = childrenOf(fields.find(({ tag }) => tag === TAG.sequence));
  if (singles.length === 1) return childrenOf(singles[0], TAG.sequence);
  throw new OcspRejected(`wanted one single response, saw ${singles.length}`);
}

/** Compares CertIDs, except for the algorithm's parameters: they may be NULL or absent. */
function isAbout(certId: Element | undefined, { leaf, issuer }: OcspQuestion): boolean {
  const partsOf = (id: Element | undefined) => {
    const [algorithm, ...rest] = childrenOf(id, TAG.sequence);
    return [childrenOf(algorithm)[0], ...rest].map((part) => part?.raw.toString('hex')).join();
  };
  return partsOf(certId) === partsOf(elementsOf(ocspCertIdOf(leaf, issuer))[0]);
}

function checkTimes({ thisUpdate, nextUpdate }: OcspResponse, { leaf, now }: OcspQuestion): void {
  const [from, to] = [thisUpdate.toISOString(), nextUpdate.toISOString()];
  if (thisUpdate.getTime() > now.getTime() + SKEW_MS) {
    throw new OcspRejected(`is of the future (${from}): is the clock right?`);
  }
  if (nextUpdate <= now) throw new OcspRejected(`the answer has expired (${to})`);
  if (nextUpdate > new Date(leaf.validTo)) {
    throw new OcspRejected(`the answer (${to}) outlives the certificate`);
  }
}

/** RFC 5280 §4.1.2.5.2: YYYYMMDDHHMMSSZ. */
function timeOf(element: Element | undefined): Date {
  const text = element?.tag === TAG.generalizedTime ? element.content.toString('latin1') : '';
  const [, day, hour, minute, second] = /^(\d{8})(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const date = day?.replace(/(....)(..)(..)/, '$1-$2-$3');
  const time = new Date(`${date}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(time.getTime())) throw new OcspRejected('a malformed time');
  return time;
}
