/** Reading what HAProxy prints: `Name: value` lines, name lists, a certificate. */

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

/** A name can come several times (`Chain Subject`). */
export function parseFields(text: string): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const end = line.indexOf(':');
    if (end < 1) continue;
    const name = line.slice(0, end);
    const value = line.slice(line[end + 1] === ' ' ? end + 2 : end + 1);
    fields.set(name, [...(fields.get(name) ?? []), value]);
  }
  return fields;
}

/** @returns undefined if the text is not `show info`'s */
export function parseProcess(text: string): ProcessState | undefined {
  const fields = parseFields(text);
  const [pid, version, stopping] = ['Pid', 'Version', 'Stopping'].map((name) => fields.get(name)?.[0]);
  if (!pid || !version) return undefined;
  return { pid: Number(pid), version, isStopping: stopping === '1' };
}

/** Printed in all versions, also if empty: with it, the description is whole. */
const LAST_FIELD = 'OCSP Response Key';

/** @returns undefined if the text is not a certificate's description */
export function parseCertificate(text: string): CertificateStatus | undefined {
  const fields = parseFields(text);
  const [filename] = fields.get('Filename') ?? [];
  const [status] = fields.get('Status') ?? [];
  if (filename === undefined || status === undefined) return undefined;
  const serial = fields.get('Serial')?.[0] ?? '';
  const notAfter = new Date(fields.get('notAfter')?.[0] ?? '');
  return {
    filename,
    status,
    serial,
    notAfter: Number.isNaN(notAfter.getTime()) ? undefined : notAfter,
    sha1Fingerprint: fields.get('SHA1 FingerPrint')?.[0],
    chainLength:
      fields.has(LAST_FIELD) && serial !== '' ? 1 + (fields.get('Chain Subject')?.length ?? 0) : undefined,
    hasStaple: fields.has(LAST_FIELD) ? fields.get(LAST_FIELD)?.[0] !== '' : undefined,
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
