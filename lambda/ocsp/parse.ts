/**
 * The DER of an OCSP response (RFC 6960 §4.2.1). The library takes BER, and what follows the response; here it must be
 * DER to the last byte, because a response is published as it came, and other programs judge the same bytes.
 */
import {
  BasicOCSPResponse,
  id_pkix_ocsp_basic,
  OCSPResponse,
  ResponseBytes,
  type ResponseData,
} from '@peculiar/asn1-ocsp';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import type { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { bitString, childrenOf, elementsOf, encode, sequence, TAG } from '#common/der.ts';
import { OcspRejected } from './errors.ts';

export const NOT_DER = 'not the DER of an OCSP response';

/** BasicOCSPResponse (§4.2.1). */
export interface Basic {
  data: ResponseData;
  /** What is signed: the DER of `data`. */
  signed: Buffer;
  algorithm: AlgorithmIdentifier;
  signature: Buffer;
  /** DER of the certificates that the responder has sent along. */
  certificates: Buffer[];
}

/** @throws OcspRejected if the responder refuses, or if it is no DER of a basic response; what the library throws */
export function parseBasic(body: Buffer): Basic {
  const { responseStatus, responseBytes } = AsnConvert.parse(body, OCSPResponse);
  if (responseStatus !== 0) throw new OcspRejected(`the responder answered with status ${responseStatus}`);
  if (responseBytes?.responseType !== id_pkix_ocsp_basic) throw new OcspRejected('not of the basic type');
  const der = Buffer.from(responseBytes.response.buffer);
  const basic = AsnConvert.parse(der, BasicOCSPResponse) as BasicOCSPResponse & {
    tbsResponseDataRaw: Uint8Array;
  };
  const [signed, signature] = [Buffer.from(basic.tbsResponseDataRaw), Buffer.from(basic.signature)];
  const certificates = certificatesIn(der);
  const again = [
    signed,
    Buffer.from(AsnConvert.serialize(basic.signatureAlgorithm)),
    bitString(signature),
    ...(basic.certs ? [encode(0xa0, sequence(...certificates))] : []),
  ];
  if (!responseOf(sequence(...again)).equals(body)) throw new OcspRejected(NOT_DER);
  return {
    ...{ data: basic.tbsResponseData, signed, algorithm: basic.signatureAlgorithm },
    ...{ signature, certificates },
  };
}

/** The library reads their fields; what is verified is their bytes. */
function certificatesIn(basic: Buffer): Buffer[] {
  const certs = childrenOf(elementsOf(basic)[0])[3];
  return certs === undefined ? [] : childrenOf(childrenOf(certs)[0], TAG.sequence).map(({ raw }) => raw);
}

/** A successful OCSPResponse that holds these bytes. */
function responseOf(basic: Buffer): Buffer {
  const responseBytes = new ResponseBytes({
    responseType: id_pkix_ocsp_basic,
    response: new OctetString(basic),
  });
  return Buffer.from(AsnConvert.serialize(new OCSPResponse({ responseBytes })));
}
