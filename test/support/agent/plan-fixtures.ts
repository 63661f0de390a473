// One certificate, `shop`, in all conditions.
import { certificateName } from '#contract/layout.ts';
import type { ActionKind } from '../../../agent/deploy/action.ts';
import type { DesiredFile } from '../../../agent/desired/files.ts';
import type { HaproxyView, RuntimeFile } from '../../../agent/haproxy/view.ts';
import { KnownProofs } from '../../../agent/proof/known.ts';
import type { FileRecord } from '../../../agent/state/file-record.ts';

/** A condition, and the action that it calls for. */
export interface Row {
  says: string;
  disk?: { sha256: string; isGuarded: boolean };
  haproxy?: HaproxyView | undefined;
  record?: FileRecord;
  handshakes?: string[];
  desired?: DesiredFile[];
  /** Why the file goes. */
  removal?: string;
  expect: [ActionKind, RegExp] | undefined;
}

export const now = new Date('2026-11-22T12:00:00Z');
export const [desiredSha, oldSha, otherSha] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
];
export const desired: DesiredFile = {
  file: 'shop.pem',
  certificate: certificateName.parse('shop'),
  key: `published/edge/pem/shop/${desiredSha}.pem`,
  sha256: desiredSha,
  size: 3000,
  serial: '0A12',
  keyType: 'ec256',
  chainLength: 2,
  notBefore: new Date('2026-11-01T00:00:00Z'),
  notAfter: new Date('2027-01-30T00:00:00Z'),
  publishedAt: new Date('2026-11-01T01:00:00Z'),
  identifiers: ['shop.test'],
  isPair: false,
};
export const unlisted: DesiredFile = { ...desired, isUnlisted: true };

export const runtimeFile = (
  changes: Partial<RuntimeFile> & { serial?: string; status?: string; chainLength?: number },
) => {
  const { serial = '0A12', status = 'Used', chainLength = 2, ...rest } = changes;
  const certificate = {
    filename: '/c/shop.pem',
    status,
    serial,
    sha1Fingerprint: '',
    notAfter: now,
    chainLength,
  };
  return { filename: '/c/shop.pem', crtList: '/c', isListed: true, certificate, ...rest };
};
export const haproxy = (places: RuntimeFile[], maxCommandBytes = 16_383): HaproxyView => ({
  process: { pid: 7, version: '3.0.11', isStopping: false },
  capabilities: { canAddCertificates: true, maxCommandBytes, pace: 0 },
  files: new Map([['shop.pem', places]]),
  strangers: new Map(),
});
export const record = (changes: Partial<FileRecord>): FileRecord => ({
  certificate: certificateName.parse('shop'),
  written: [desiredSha],
  proven: { sha256: desiredSha, addresses: ['127.0.0.1:443'] },
  ...changes,
});
/** What the records say of handshakes, as if the worker of `haproxy` had made them just now. */
export function proofsOf(records: ReadonlyMap<string, FileRecord>): KnownProofs {
  const known = new KnownProofs();
  for (const [file, { proven }] of records) {
    const handshakes = { proved: proven?.addresses ?? [], unproven: [] };
    if (proven) known.note(file, proven.sha256, handshakes, { at: now.getTime(), pid: 7 });
  }
  return known;
}

export const failed = (sha256: string, notBefore: string) =>
  record({ failure: { sha256, code: 'ERR_RUNTIME_REFUSED', message: 'm', attempts: 1, notBefore } });
/** @param pid of the worker that handed out something else */
export const wrongOnWire = (pid: number, code = 'ERR_HANDSHAKE_CERTIFICATE'): FileRecord => ({
  certificate: desired.certificate,
  written: [desiredSha],
  failure: {
    ...{ sha256: desiredSha, code, message: 'm', attempts: 2, pid },
    notBefore: '2026-11-22T12:10:00Z',
  },
});
export const provenOld = { proven: { sha256: oldSha, addresses: ['127.0.0.1:443'] } };
export const right = { sha256: desiredSha, isGuarded: true };
export const old = { sha256: oldSha, isGuarded: true };
