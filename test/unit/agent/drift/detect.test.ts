// One row for each reason why a difference is drift, or none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '../../../../agent/deploy/action.ts';
import { type DriftFacts, detectDrift } from '../../../../agent/drift/detect.ts';
import type { RuntimeFile } from '../../../../agent/haproxy/view.ts';
import type { FileRecord } from '../../../../agent/state/file-record.ts';

const OURS = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const STAPLE = 'c'.repeat(64);
const NOW = new Date('2026-11-27T12:00:00Z');

interface Host {
  sha256?: string | undefined;
  isGuarded?: boolean;
  staple?: string | undefined;
  serial?: string;
  chainLength?: number | undefined;
  status?: string;
  isListed?: boolean;
  hasStaple?: boolean;
  isKnown?: boolean;
  crtList?: string | undefined;
  pid?: number;
}

interface Row {
  is: string | undefined;
  host?: Host;
  record?: Partial<FileRecord>;
  desired?: object;
  action?: Partial<Action>;
  settings?: string;
  hasView?: boolean;
  listed?: readonly string[];
}

function kindIn(row: Row): string | undefined {
  const host = {
    sha256: OURS,
    isGuarded: true,
    staple: STAPLE,
    serial: '01',
    chainLength: 2,
    pid: 1,
    ...row.host,
  };
  const { status = 'Used', isListed = true, hasStaple = true, isKnown = true } = host;
  const filename = '/certs/shop.pem';
  const certificate = {
    ...{ filename, status, serial: host.serial, notAfter: NOW, sha1Fingerprint: undefined, hasStaple },
    chainLength: host.chainLength,
  };
  const crtList = 'crtList' in host ? host.crtList : '/certs';
  const runtimeFile: RuntimeFile = {
    filename,
    crtList,
    isListed,
    certificate: isKnown ? certificate : undefined,
  };
  const record = {
    ...{ certificate: 'shop', written: [OURS] },
    left: { sha256: OURS, staple: STAPLE, isServed: true, ...(row.listed && { lines: ['[alpn h2]'] }) },
    ...row.record,
  } as FileRecord;
  const facts: DriftFacts = {
    disk: new Map([
      ...(host.sha256 === undefined
        ? []
        : [['shop.pem', { sha256: host.sha256, isGuarded: host.isGuarded }] as const]),
      ...(host.staple === undefined
        ? []
        : [['shop.pem.ocsp', { sha256: host.staple, isGuarded: true }] as const]),
    ]),
    haproxy:
      row.hasView === false
        ? undefined
        : ({ process: { pid: host.pid }, files: new Map([['shop.pem', [runtimeFile]]]) } as never),
    listed: row.listed && new Map([['shop.pem', row.listed]]),
    recordOf: () => record,
    left: { settings: OURS, pid: 1 },
    settings: row.settings ?? OURS,
    now: NOW,
  };
  const staple = { key: '', sha256: STAPLE, nextUpdate: '2026-11-28T00:00:00Z' };
  const desired = { file: 'shop.pem', sha256: OURS, serial: '01', chainLength: 2, staple, ...row.desired };
  const action = { kind: 'keep', reason: '', file: 'shop.pem', certificate: 'shop', desired, ...row.action };
  return detectDrift([action as unknown as Action], facts)[0]?.kind;
}

const gone = {
  action: { kind: 'forget', desired: undefined } as Partial<Action>,
  host: { sha256: undefined },
};
const unlisted = { unlisted: { since: NOW.toISOString() } };
const listing = { listing: { crtListOptions: ['alpn h2'], sniFilters: [] } };

const ROWS: Readonly<Record<string, Row>> = {
  'all as it was': { is: undefined },
  'another content': { is: 'file-edited', host: { sha256: OTHER } },
  'no file': { is: 'file-missing', host: { sha256: undefined } },
  'a link, or a file that cannot be read': { is: 'file-replaced', host: { sha256: '' } },
  'another mode': { is: 'mode-changed', host: { isGuarded: false } },
  'a content that an agent of ours has written': {
    is: undefined,
    host: { sha256: OTHER },
    record: { written: [OTHER, OURS] },
  },
  'a new publication': { is: undefined, host: { sha256: OTHER }, desired: { sha256: 'd'.repeat(64) } },
  'other settings': { is: undefined, host: { sha256: undefined }, settings: OTHER },
  'nothing known of the file': { is: undefined, host: { sha256: OTHER }, record: { left: undefined } },
  'another certificate, same worker': { is: 'runtime-foreign', host: { serial: '02' } },
  'another certificate, another worker': { is: 'update-lost', host: { serial: '02', pid: 2 } },
  'edited and reloaded: one, the cause': { is: 'file-edited', host: { sha256: OTHER, serial: '02', pid: 2 } },
  'another worker, all as it was': { is: undefined, host: { pid: 2 } },
  'HAProxy out of reach': { is: undefined, host: { serial: '02' }, hasView: false },
  'never served by HAProxy': { is: undefined, host: { serial: '02' }, record: { left: { sha256: OURS } } },
  'an intermediate less': { is: 'chain-lost', host: { chainLength: 1 } },
  'an intermediate less, after a reload': { is: 'chain-lost', host: { chainLength: 1, pid: 2 } },
  'a cut answer': { is: undefined, host: { chainLength: undefined } },
  'out of the crt-list': { is: 'line-missing', host: { isListed: false, status: 'Unused' } },
  'deleted from HAProxy': { is: 'line-missing', host: { isListed: false, isKnown: false } },
  'a configuration that names it no more': { is: undefined, host: { isKnown: false, crtList: undefined } },
  'cut off by "commit ssl ca-file"': { is: undefined, host: { status: 'Unused' } },
  'its line is gone': { is: 'line-missing', listed: [] },
  'its line is gone, and the manifest says nothing of it': { is: 'line-missing', listed: [], desired: {} },
  'its line is another': { is: 'line-changed', listed: ['[alpn http/1.1]'], desired: listing },
  "its line is the operator's": { is: undefined, listed: ['[alpn http/1.1]'] },
  'its line is to be another now': {
    is: undefined,
    listed: ['[alpn h2]'],
    desired: { listing: { crtListOptions: ['alpn http/1.1'], sniFilters: [] } },
  },
  'no OCSP response on disk': { is: 'staple-lost', host: { staple: undefined } },
  'another OCSP response on disk': { is: 'staple-lost', host: { staple: OTHER } },
  'no OCSP response in HAProxy': { is: 'staple-lost', host: { hasStaple: false } },
  'an OCSP response that has expired': {
    is: undefined,
    host: { hasStaple: false, staple: undefined },
    desired: { staple: { key: '', sha256: STAPLE, nextUpdate: '2026-11-27T11:00:00Z' } },
  },
  'a newer OCSP response': {
    is: undefined,
    desired: { staple: { key: '', sha256: OTHER, nextUpdate: '2026-11-28T00:00:00Z' } },
  },
  'gone, long after the manifest has ceased to name it': { is: 'file-missing', ...gone, record: unlisted },
  'gone as the manifest ceases to name it': { is: undefined, ...gone },
  'gone after its tombstone': {
    is: undefined,
    ...gone,
    action: { ...gone.action, isEnded: true } as Partial<Action>,
    record: unlisted,
  },
};

for (const [name, row] of Object.entries(ROWS)) {
  test(`${name}: ${row.is ?? 'no drift'}`, () => {
    assert.equal(kindIn(row), row.is);
  });
}
