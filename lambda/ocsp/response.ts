/**
 * OCSP responses (RFC 6960 §4.2), checked by every rule of §3.2 and by two of HAProxy's (one single response, with
 * a nextUpdate). What passes here may say `revoked`: publication/staples.ts staples only what says `good`.
 */
import type { CertID, ResponseData, SingleResponse } from '@peculiar/asn1-ocsp';
import { MINUTE_MS } from '#common/time.ts';
import { OcspRejected } from './errors.ts';
import { NOT_DER, parseBasic } from './parse.ts';
import type { OcspQuestion } from './question.ts';
import { ocspCertIdOf } from './request.ts';
import { checkSignature } from './signature.ts';

/** The single response about one certificate (RFC 6960 §4.2.1). */
export interface OcspResponse {
  /** `unknown`: the responder does not know the certificate (§2.2). */
  status: 'good' | 'revoked' | 'unknown';
  /** When the responder knew the status to be correct (§4.2.2.1). */
  thisUpdate: Date;
  /** When newer information will be there at the latest (§4.2.2.1). */
  nextUpdate: Date;
}

/** How far the responder's clock may be ahead of ours. */
const SKEW_MS = 5 * MINUTE_MS;

/** @throws OcspRejected that names the first broken rule */
export function readResponse(body: Buffer, asked: OcspQuestion): OcspResponse {
  try {
    return checkedResponse(body, asked);
  } catch (error) {
    if (error instanceof OcspRejected) throw error;
    // The library's errors have no type of their own, and some come late: a name is read when it is compared.
    throw new OcspRejected(NOT_DER, { cause: error });
  }
}

function checkedResponse(body: Buffer, asked: OcspQuestion): OcspResponse {
  const basic = parseBasic(body);
  checkSignature(basic, asked);
  const single = singleOf(basic.data);
  if (!isAbout(single.certID, asked)) throw new OcspRejected('about another certificate');
  const status = statusOf(single);
  if (single.nextUpdate === undefined) throw new OcspRejected('no nextUpdate: HAProxy would not staple it');
  const response = { status, thisUpdate: single.thisUpdate, nextUpdate: single.nextUpdate };
  checkTimes(response, asked);
  return response;
}

function singleOf({ responses }: ResponseData): SingleResponse {
  const [single] = responses;
  if (single !== undefined && responses.length === 1) return single;
  throw new OcspRejected(`wanted one single response, saw ${responses.length}`);
}

function statusOf({ certStatus }: SingleResponse): OcspResponse['status'] {
  if (certStatus.good === null) return 'good';
  if (certStatus.revoked !== undefined) return 'revoked';
  if (certStatus.unknown === null) return 'unknown';
  throw new OcspRejected('no known status');
}

/** Compares CertIDs, except for the algorithm's parameters: they may be NULL or absent. */
function isAbout(certId: CertID, { leaf, issuer }: OcspQuestion): boolean {
  const wanted = ocspCertIdOf(leaf, issuer);
  return (
    certId.hashAlgorithm.algorithm === wanted.hashAlgorithm.algorithm &&
    isSame(certId.issuerNameHash.buffer, wanted.issuerNameHash.buffer) &&
    isSame(certId.issuerKeyHash.buffer, wanted.issuerKeyHash.buffer) &&
    isSame(certId.serialNumber, wanted.serialNumber)
  );
}

function isSame(one: ArrayBuffer, other: ArrayBuffer): boolean {
  return Buffer.from(one).equals(Buffer.from(other));
}

function checkTimes({ thisUpdate, nextUpdate }: OcspResponse, { leaf, now }: OcspQuestion): void {
  if (Number.isNaN(thisUpdate.getTime() + nextUpdate.getTime())) throw new OcspRejected('a malformed time');
  const [from, to] = [thisUpdate.toISOString(), nextUpdate.toISOString()];
  if (thisUpdate.getTime() > now.getTime() + SKEW_MS) {
    throw new OcspRejected(`is of the future (${from}): is the clock right?`);
  }
  if (nextUpdate <= now) throw new OcspRejected(`the answer has expired (${to})`);
  if (nextUpdate > new Date(leaf.validTo)) {
    throw new OcspRejected(`the answer (${to}) outlives the certificate`);
  }
}
