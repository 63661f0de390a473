/** Reading what HAProxy prints: `name: value` lines, name lists, a certificate. */

export interface ProcessState {
  pid: number;
  version: string;
  /** An old worker after a reload: new connections do not reach it. */
  isStopping: boolean;
}

export interface CertificateStatus {
  filename: string;
  /** `Used`, `Unused`, `Empty`; 3.2 also `Uncommitted` (of a transaction). */
  status: string;
  /** Empty for an empty store. */
  serial: string;
  notAfter: Date | undefined;
  /**
   * The rest comes after the names, and HAProxy cuts its answer silently at `tune.bufsize`: of a certificate
   * with hundreds of names it is not known.
   */
  sha1Fingerprint: string | undefined;
  /** Certificates in the file, the leaf included. */
  chainLength: number | undefined;
  /** It holds an OCSP response for it. */
  hasStaple?: boolean | undefined;
}

/** @returns the value of the first line `name: value`, `undefined` if there is none. Maps of all lines took a tenth of a pass over 10,000 certificates. */
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
  return { pid: Number(pid), version, isStopping: stopping === '1' };
}

/** Printed in all versions, also if empty: with it, the description is whole. */
const LAST_FIELD = 'OCSP Response Key';

/** @returns undefined if the text is not a certificate's description */
export function parseCertificate(text: string): CertificateStatus | undefined {
  const filename = fieldIn(text, 'Filename');
  const status = fieldIn(text, 'Status');
  if (filename === undefined || status === undefined) return undefined;
  const serial = fieldIn(text, 'Serial') ?? '';
  const notAfter = new Date(fieldIn(text, 'notAfter') ?? '');
  const stapleKey = fieldIn(text, LAST_FIELD);
  return {
    filename,
    status,
    serial,
    notAfter: Number.isNaN(notAfter.getTime()) ? undefined : notAfter,
    sha1Fingerprint: fieldIn(text, 'SHA1 FingerPrint'),
    chainLength: stapleKey !== undefined && serial !== '' ? text.split('\nChain Subject:').length : undefined,
    hasStaple: stapleKey === undefined ? undefined : stapleKey !== '',
  };
}

/** One a line; `# …` are headings; NUL bytes follow some options (`[alpn h2\0]`). */
export function parseNames(text: string): string[] {
  return text
    .replaceAll('\0', '')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

export interface CrtListEntry {
  /** In the file, or after its last line if it was added at run time; of a directory, none that matters. */
  line: number | undefined;
  tail: string;
}

/** `FILENAME:LINE [options] filters`; a name may hold spaces. */
export function parseCrtListEntries(text: string): Map<string, CrtListEntry[]> {
  const entries = new Map<string, CrtListEntry[]>();
  for (const shown of parseNames(text)) {
    const [, filename = shown, line, tail = ''] = /^(.*?):(\d+)(?: +(.*))?$/.exec(shown) ?? [];
    const entry = { line: Number(line) || undefined, tail };
    entries.set(filename, [...(entries.get(filename) ?? []), entry]);
  }
  return entries;
}
