/** Parses what HAProxy prints: `name: value` lines, name lists, a certificate. */
import { SECOND_MS } from '#common/time.ts';

export interface ProcessState {
  pid: number;
  version: string;
  /** An old worker after a reload: new connections do not reach it. */
  isStopping: boolean;
  /** ISO 8601, whole seconds; absent where HAProxy does not tell it. */
  startedAt?: string | undefined;
}

export interface CertificateStatus {
  filename: string;
  /** `Used`, `Unused`, `Empty`; 3.2 also `Uncommitted` (of a transaction). */
  status: string;
  /** Empty for an empty store. */
  serial: string;
  notAfter: Date | undefined;
  /**
   * This and the next members come after the names. HAProxy silently cuts its answer at `tune.bufsize`, so that they
   * are missing for a certificate with hundreds of names.
   */
  sha1Fingerprint: string | undefined;
  /** Certificates in the file, the leaf included. */
  chainLength: number | undefined;
  /** HAProxy holds an OCSP response for it. */
  hasStaple?: boolean | undefined;
  /** `DNS:shop.test, DNS:*.shop.test`, as HAProxy prints it; it may be cut. */
  subjectNames?: string | undefined;
}

/**
 * Searches the text instead of making a map of its lines: such maps took a tenth of a pass over 10,000 certificates.
 * @returns the value of the first line `name: value`, `undefined` if there is none
 */
export function fieldIn(text: string, name: string): string | undefined {
  const label = `${name}:`;
  const isFirst = text.startsWith(label);
  const at = isFirst ? 0 : text.indexOf(`\n${label}`) + 1;
  if (at === 0 && !isFirst) return undefined;
  const from = at + label.length;
  const end = text.indexOf('\n', from);
  return text.slice(text[from] === ' ' ? from + 1 : from, end === -1 ? undefined : end);
}

/** @returns undefined if the text is not `show info`'s */
export function parseProcess(text: string): ProcessState | undefined {
  const [pid, version, stopping] = ['Pid', 'Version', 'Stopping'].map((name) => fieldIn(text, name));
  if (!pid || !version) return undefined;
  const started = Number(fieldIn(text, 'Start_time_sec'));
  const startedAt = started > 0 && started < 1e11 ? new Date(started * SECOND_MS).toISOString() : undefined;
  return { pid: Number(pid), version, isStopping: stopping === '1', startedAt };
}

/** Printed in all versions, also if empty: with it, the description is whole. */
const LAST_FIELD = 'OCSP Response Key';
const SHA1 = /^[0-9A-F]{40}$/;

/**
 * Parses the answer to `show ssl cert FILENAME` (2.6, 3.0, 3.2 and 3.4 alike; 3.2 adds lines with the names of the files):
 *
 *     Filename: /etc/haproxy/certs/shop.pem
 *     Status: Used
 *     Serial: 319D6A1E4F5998B460A578F2808602A4
 *     notBefore: Nov 26 03:45:44 2026 GMT
 *     notAfter: Feb 24 03:45:44 2027 GMT
 *     Subject Alternative Name: DNS:shop.test, DNS:*.shop.test
 *     Algorithm: EC256
 *     SHA1 FingerPrint: 7143D6617E366B1F4F95B979DE333DC3B043D50C
 *     Subject:
 *     Issuer: /CN=pemfleet test intermediate
 *     Chain Subject: /CN=pemfleet test intermediate
 *     Chain Issuer: /CN=pemfleet test root
 *     OCSP Response Key:
 *
 * @returns undefined if the text is not a certificate's description
 */
export function parseCertificate(text: string): CertificateStatus | undefined {
  const filename = fieldIn(text, 'Filename');
  const status = fieldIn(text, 'Status');
  if (filename === undefined || status === undefined) return undefined;
  const serial = fieldIn(text, 'Serial') ?? '';
  const notAfter = new Date(fieldIn(text, 'notAfter') ?? '');
  const stapleKey = fieldIn(text, LAST_FIELD);
  // HAProxy may have cut it in the middle.
  const sha1Fingerprint = SHA1.exec(fieldIn(text, 'SHA1 FingerPrint') ?? '')?.[0];
  return {
    filename,
    status,
    serial,
    notAfter: Number.isNaN(notAfter.getTime()) ? undefined : notAfter,
    sha1Fingerprint,
    chainLength: stapleKey !== undefined && serial !== '' ? text.split('\nChain Subject:').length : undefined,
    hasStaple: stapleKey === undefined ? undefined : stapleKey !== '',
    subjectNames: fieldIn(text, 'Subject Alternative Name'),
  };
}

/** One name a line; `# …` are headings; a NUL byte follows some options (`[alpn h2\0]`). */
/** Of `acme status`: a head line, then tabs between filename, section, state and times. */
export function parseAcme(text: string): Map<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.flatMap((line) => {
      const [filename, section] = line.split('\t');
      return filename && section ? [[filename, section] as const] : [];
    }),
  );
}

export function parseNames(text: string): string[] {
  return text
    .replaceAll('\0', '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

export interface CrtListEntry {
  /** Line in the file, or after its last line if it was added at run time. For a directory it means nothing. */
  line: number | undefined;
  tail: string;
}

/**
 * Parses the answer to `show ssl crt-list -n NAME`; a filename may hold spaces:
 *
 *     # /etc/haproxy/crt-list.txt
 *     /etc/haproxy/certs/plain.pem:2
 *     /etc/haproxy/certs/shop.pem:3 [alpn h2 ssl-min-ver TLSv1.2] shop.test !www.shop.test
 *
 * @returns by filename, the entries in the order of the list
 */
export function parseCrtListEntries(text: string): Map<string, CrtListEntry[]> {
  const entries = new Map<string, CrtListEntry[]>();
  for (const shown of parseNames(text)) {
    const [, filename = shown, line, tail = ''] = /^(.*?):(\d+)(?: +(.*))?$/.exec(shown) ?? [];
    const entry = { line: Number(line) || undefined, tail };
    entries.set(filename, [...(entries.get(filename) ?? []), entry]);
  }
  return entries;
}
