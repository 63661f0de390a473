/**
 * Reads the names of a PEM file's first certificate, and nothing else of it: a pass reads 10,000 files, for which Node's
 * X509Certificate would need more than a second.
 */

import { childrenOf, type Element, elementsOf, TAG } from '#common/der.ts';
import { canonicalIdentifier, isHostName } from '#contract/combined-pem.ts';

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';
/** Tag of the extensions in a TBSCertificate (RFC 5280 §4.1), of a dNSName in a GeneralName (§4.2.1.6). */
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
/** OIDs: subjectAltName 2.5.29.17, commonName 2.5.4.3. */
const SUBJECT_ALT_NAME = Buffer.from('551d11', 'hex');
const COMMON_NAME = Buffer.from('550403', 'hex');

/** A client's SNI has at most 255 bytes, and log and status need no more. */
const isAskable = (name: string) => /^[!-~]{1,255}$/.test(name);

/** @returns its DNS names and common names in lower case; none if it holds no certificate that can be read */
export function leafNamesIn(pem: Buffer): string[] {
  const [begin, end] = [pem.indexOf(BEGIN), pem.indexOf(END)];
  if (begin === -1 || end === -1) return [];
  try {
    const der = Buffer.from(pem.subarray(begin + BEGIN.length, end).toString('latin1'), 'base64');
    const [tbs] = childrenOf(elementsOf(der)[0], TAG.sequence);
    const fields = childrenOf(tbs, TAG.sequence);
    // The version is optional; the subject is the fifth after it.
    const subject = fields[fields[0]?.tag === TAG.integer ? 4 : 5];
    const commonNames = commonNamesIn(subject).filter(isAskable).map(canonicalIdentifier).filter(isHostName);
    const names = altNamesIn(fields.find(({ tag }) => tag === EXTENSIONS)).filter(isAskable);
    return [...new Set([...names.map(canonicalIdentifier), ...commonNames])];
  } catch {
    // Whoever installs or loads the file says what is wrong with it.
    return [];
  }
}

function altNamesIn(extensions: Element | undefined): string[] {
  if (extensions === undefined) return [];
  const [list] = childrenOf(extensions);
  for (const extension of childrenOf(list, TAG.sequence)) {
    const [oid, ...rest] = childrenOf(extension, TAG.sequence);
    if (!oid?.content.equals(SUBJECT_ALT_NAME)) continue;
    const [names] = elementsOf(rest.at(-1)?.content ?? Buffer.alloc(0));
    return childrenOf(names, TAG.sequence)
      .filter(({ tag }) => tag === DNS_NAME)
      .map(({ content }) => content.toString('latin1'));
  }
  return [];
}

function commonNamesIn(subject: Element | undefined): string[] {
  return childrenOf(subject, TAG.sequence).flatMap((set) =>
    childrenOf(set, TAG.set).flatMap((attribute) => {
      const [oid, value] = childrenOf(attribute, TAG.sequence);
      return oid?.content.equals(COMMON_NAME) && value ? [value.content.toString('utf8')] : [];
    }),
  );
}
