// A row for each reason of a decision.
import type { HaproxyView } from '../../../agent/haproxy/view.ts';
import type { ActionKind } from '../../../agent/plan.ts';
import type { FileRecord } from '../../../agent/state.ts';
import type { WantedFile } from '../../../agent/wanted.ts';

import {
  failed,
  haproxy,
  old,
  oldSha,
  otherSha,
  place,
  provenOld,
  record,
  right,
  wantedSha,
} from './plan-fixtures.ts';

export interface Row {
  says: string;
  disk?: { sha256: string; isGuarded: boolean };
  haproxy?: HaproxyView | undefined;
  record?: FileRecord;
  handshakes?: string[];
  wanted?: WantedFile[];
  expect: [ActionKind, RegExp] | undefined;
}

export const rows: Row[] = [
  { says: 'nothing there', expect: ['install', /new in the manifest/] },
  {
    says: 'an older one there',
    disk: old,
    record: record({ written: [oldSha], ...provenOld }),
    expect: ['update', /another one is published/],
  },
  {
    says: "somebody's file of that name, state unknown",
    disk: old,
    expect: ['update', /another one is published/],
  },
  {
    says: 'killed between intent and rename',
    disk: old,
    record: record({ written: [wantedSha, oldSha], ...provenOld }),
    expect: ['update', /published/],
  },
  {
    says: 'our file was edited',
    disk: { sha256: otherSha, isGuarded: true },
    record: record({}),
    expect: ['repair', /changed by somebody else/],
  },
  { says: 'our file was deleted', record: record({}), expect: ['repair', /is gone/] },
  {
    says: 'mode was widened',
    disk: { sha256: wantedSha, isGuarded: false },
    record: record({}),
    expect: ['repair', /mode or owner/],
  },
  {
    says: 'HAProxy is down',
    disk: right,
    record: record({}),
    haproxy: undefined,
    expect: ['pending', /out of reach/],
  },
  { says: 'HAProxy is down, file missing', haproxy: undefined, expect: ['install', /new/] },
  {
    says: 'HAProxy serves an older one',
    disk: right,
    haproxy: haproxy([place({ serial: 'FF' })]),
    expect: ['load', /HAProxy has FF/],
  },
  {
    says: 'HAProxy does not know it',
    disk: right,
    haproxy: haproxy([place({ certificate: undefined })]),
    expect: ['load', /no such certificate/],
  },
  {
    says: 'an empty store of a killed run',
    disk: right,
    haproxy: haproxy([place({ status: 'Empty', serial: '' })]),
    expect: ['load', /HAProxy has Empty/],
  },
  {
    says: 'loaded but Unused',
    disk: right,
    haproxy: haproxy([place({ status: 'Unused' })]),
    expect: ['load', /0A12/],
  },
  {
    says: 'Used elsewhere, not in our crt-list',
    disk: right,
    haproxy: haproxy([place({ isListed: false })]),
    expect: ['load', /not in its crt-list/],
  },
  {
    says: 'chain of one',
    disk: right,
    haproxy: haproxy([place({ chainLength: 1 })]),
    expect: ['load', /0A12/],
  },
  {
    says: 'the second copy of the directory is old',
    disk: right,
    record: record({}),
    haproxy: haproxy([place({}), place({ filename: '/x/./c/shop.pem', serial: 'EE' })]),
    expect: ['load', /EE as \/x\/\.\/c/],
  },
  {
    says: 'too large for one command',
    disk: right,
    haproxy: haproxy([place({ serial: 'FF' })], 3055),
    expect: ['needs-reload', /3056 bytes do not fit/],
  },
  {
    says: 'just fits in one command',
    disk: right,
    haproxy: haproxy([place({ serial: 'FF' })], 3056),
    expect: ['load', /FF/],
  },
  {
    says: 'crt FILE: new file',
    disk: right,
    haproxy: haproxy([place({ crtList: undefined, certificate: undefined })]),
    expect: ['needs-reload', /no crt-list/],
  },
  {
    says: 'crt FILE: update',
    disk: right,
    haproxy: haproxy([place({ crtList: undefined, serial: 'FF' })]),
    expect: ['load', /FF/],
  },
  {
    says: 'right, but never proved',
    disk: right,
    haproxy: haproxy([place({})]),
    expect: ['prove', /no handshake/],
  },
  {
    says: 'proved for the one before',
    disk: right,
    record: record({ proven: { sha256: oldSha, addresses: ['127.0.0.1:443'] } }),
    haproxy: haproxy([place({})]),
    expect: ['prove', /no handshake/],
  },
  {
    says: 'a bind was added',
    disk: right,
    record: record({}),
    handshakes: ['127.0.0.1:443', '[::1]:443'],
    haproxy: haproxy([place({})]),
    expect: ['prove', /no handshake/],
  },
  {
    says: 'proof switched off',
    disk: right,
    handshakes: [],
    haproxy: haproxy([place({})]),
    expect: ['keep', /served/],
  },
  {
    says: 'all right',
    disk: right,
    record: record({}),
    haproxy: haproxy([place({})]),
    expect: ['keep', /served/],
  },
  {
    says: 'failed lately',
    disk: old,
    record: failed(wantedSha, '2026-11-22T12:00:01Z'),
    expect: ['backed-off', /ERR_RUNTIME_REFUSED before, next try 2026-11-22T12:00:01Z/],
  },
  {
    says: 'failed, its time has come',
    disk: old,
    record: failed(wantedSha, '2026-11-22T12:00:00Z'),
    expect: ['repair', /changed/],
  },
  {
    says: 'another publication clears a failure',
    disk: old,
    record: { ...failed(otherSha, '2026-12-22T12:00:00Z'), written: [oldSha], ...provenOld },
    expect: ['update', /published/],
  },
  {
    says: 'unpublished, ours',
    wanted: [],
    disk: right,
    record: record({}),
    expect: ['remove', /no longer in the manifest/],
  },
  { says: 'unpublished, gone already', wanted: [], record: record({}), expect: ['remove', /no longer/] },
  {
    says: 'unpublished, changed by somebody else',
    wanted: [],
    disk: { sha256: otherSha, isGuarded: true },
    record: record({}),
    expect: ['forget', /changed by somebody else/],
  },
  { says: 'unpublished, never ours', wanted: [], disk: right, expect: undefined },
];
