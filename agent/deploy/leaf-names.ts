/**
 * Reads of a PEM file's certificates what a pass and a proof need, and nothing else: a pass reads 10,000 files, for which Node's
 * X509Certificate would need more than a second; a proof would take a third longer with it, and with the private key.
 */

import { hash } from 'node:crypto';
import { isIP } from 'node:net';
import { childrenOf, type Element, elementsOf, TAG } from '#common/der.ts';
import { canonicalIdentifier, isHostName } from '#contract/combined-pem.ts';
import type { WantedChain } from '../proof/wanted-chain.ts';

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
  return leafIn(pem)?.names ?? [];
}

/**
 * What a handshake is to show of a canonical PEM that was verified before.
 * @returns undefined: it has no DNS name, or cannot be read so
 */
export function chainIn(pem: Buffer): WantedChain | undefined {
  const leaf = leafIn(pem);
  if (leaf === undefined || leaf.altNames.every((name) => isIP(name) !== 0)) return undefined;
  const { der, serial, names } = leaf;
  const fingerprint = hash('sha1', der).toUpperCase();
  return { fingerprint, serial, names, digests: digestsIn(pem), isForAddresses: false };
}

interface Leaf {
  der: Buffer;
  serial: string;
  /** DNS names of the subjectAltName. */
  altNames: string[];
  /** These and the common names, in lower case. */
  names: string[];
}

function leafIn(pem: Buffer): Leaf | undefined {
  const [begin, end] = [pem.indexOf(BEGIN), pem.indexOf(END)];
  if (begin === -1 || end === -1) return undefined;
  try {
    const der = derOf(pem, begin, end);
    const [tbs] = childrenOf(elementsOf(der)[0], TAG.sequence);
    const fields = childrenOf(tbs, TAG.sequence);
    // The version is optional; the subject is the fifth after it.
    const [serial, , , , subject] = fields[0]?.tag === TAG.integer ? fields : fields.slice(1);
    const commonNames = commonNamesIn(subject).filter(isAskable).map(canonicalIdentifier).filter(isHostName);
    const altNames = altNamesIn(fields.find(({ tag }) => tag === EXTENSIONS)).filter(isAskable);
    const names = [...new Set([...altNames.map(canonicalIdentifier), ...commonNames])];
    return { der, serial: serialIn(serial), altNames, names };
  } catch {
    // Whoever installs or loads the file says what is wrong with it.
    return undefined;
  }
}

/** As Node shows it: without the octet that keeps it from being negative. */
function serialIn(serial: Element | undefined): string {
  const hex = serial?.content.toString('hex').toUpperCase() ?? '';
  return hex.replace(/^(00)+(?=.)/, '');
}

function derOf(pem: Buffer, begin: number, end: number): Buffer {
  return Buffer.from(pem.subarray(begin + BEGIN.length, end).toString('latin1'), 'base64');
}

function digestsIn(pem: Buffer): string[] {
  const digests: string[] = [];
  for (let begin = pem.indexOf(BEGIN); begin !== -1; begin = pem.indexOf(BEGIN, begin + 1)) {
    digests.push(hash('sha256', derOf(pem, begin, pem.indexOf(END, begin))).toUpperCase());
  }
  return digests;
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
