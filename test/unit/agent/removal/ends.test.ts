// A row for each of the reasons for which a file goes, and for those that are none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificateName } from '#contract/layout.ts';
import { emptyManifest, type Manifest, type Tombstone } from '#contract/manifest.ts';
import type { DesiredFile } from '../../../../agent/desired/files.ts';
import type { RuntimeFile } from '../../../../agent/haproxy/view.ts';
import { type EndsInput, endsOf } from '../../../../agent/removal/ends.ts';
import { withTombstones } from '../../../../agent/state/ended.ts';
import type { FileRecord } from '../../../../agent/state/file-record.ts';
import { fleet } from '../../../support/agent/host.ts';
import {
  desired,
  desiredSha,
  haproxy,
  now,
  old,
  oldSha,
  otherSha,
  proofsOf,
  record,
  right,
  runtimeFile,
  unlisted,
} from '../../../support/agent/plan-fixtures.ts';

interface EndsRow {
  says: string;
  unlisted?: Partial<DesiredFile>;
  tombstone?: Partial<Tombstone> & { name?: string };
  manifest?: Partial<Manifest>;
  record?: Partial<FileRecord>;
  isGone?: boolean;
  /** What the manifest names; it is on disk, in HAProxy, and proved. */
  others?: DesiredFile[];
  isServed?: boolean;
  now?: Date;
  removal: RegExp | undefined;
  isEnding?: boolean;
}

const other: DesiredFile = {
  ...desired,
  file: 'new.pem',
  certificate: certificateName.parse('new'),
  sha256: otherSha,
  serial: '0B',
};
const by = [other.certificate];
const listingOf = (...sniFilters: string[]) => ({ crtListOptions: [], sniFilters });
const expired = new Date('2027-02-01T00:00:00Z');
const [rsa, ecdsa] = (['rsa', 'ecdsa'] as const).map(
  (kind): DesiredFile => ({
    ...desired,
    file: `shop.pem.${kind}`,
    sha256: otherSha,
    serial: '0B',
    isPair: true,
  }),
) as [DesiredFile, DesiredFile];

const ROWS: EndsRow[] = [
  { says: 'missing from the manifest', removal: undefined },
  { says: 'withdrawn', tombstone: {}, removal: /^withdrawn 2026/ },
  {
    says: 'a word that this agent does not know',
    tombstone: { reason: 'lost-interest' },
    removal: /^lost-interest/,
  },
  {
    says: 'another PEM of the name is withdrawn',
    tombstone: { pems: [{ sha256: oldSha, notAfter: expired.toISOString() }] },
    removal: undefined,
  },
  { says: 'withdrawn under another name', tombstone: { name: 'other' }, removal: /^withdrawn/ },
  {
    says: 'withdrawn, and published again since',
    tombstone: {},
    record: { receipts: [{ sha256: desiredSha, sequence: 21 }] },
    removal: undefined,
  },
  {
    says: 'withdrawn after it was published',
    tombstone: {},
    record: { receipts: [{ sha256: desiredSha, sequence: 19 }] },
    removal: /^withdrawn/,
  },
  {
    says: 'withdrawn, the manifest in force is of version 1',
    tombstone: {},
    manifest: { version: 1 },
    removal: undefined,
  },
  {
    says: 'superseded, and what took its place is served',
    tombstone: { reason: 'superseded', by },
    others: [other],
    isServed: true,
    removal: /superseded by new, served here/,
  },
  {
    says: 'superseded, and what took its place is not served yet',
    tombstone: { reason: 'superseded', by },
    others: [other],
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded by what the manifest does not name',
    tombstone: { reason: 'superseded', by },
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded by nobody',
    tombstone: { reason: 'superseded' },
    others: [other],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, but one of its names is not covered',
    tombstone: { reason: 'superseded', by },
    unlisted: { identifiers: ['shop.test', 'extra.test'] },
    others: [other],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, covered by a wildcard',
    tombstone: { reason: 'superseded', by },
    unlisted: { identifiers: ['a.shop.test'] },
    others: [{ ...other, identifiers: ['*.shop.test'] }],
    isServed: true,
    removal: /superseded/,
  },
  {
    says: 'superseded, a wildcard covers one label only',
    tombstone: { reason: 'superseded', by },
    unlisted: { identifiers: ['a.b.shop.test'] },
    others: [{ ...other, identifiers: ['*.shop.test'] }],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, the filters of what took its place leave the name out',
    tombstone: { reason: 'superseded', by },
    others: [{ ...other, identifiers: ['shop.test', 'b.test'], listing: listingOf('b.test') }],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, a filter of what took its place refuses the name',
    tombstone: { reason: 'superseded', by },
    others: [{ ...other, listing: listingOf('*', '!SHOP.test') }],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, a filter refuses what its wildcard covers',
    tombstone: { reason: 'superseded', by },
    unlisted: { identifiers: ['a.shop.test'] },
    others: [{ ...other, identifiers: ['*.shop.test'], listing: listingOf('*.shop.test', '!a.shop.test') }],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, and both have the same filter',
    tombstone: { reason: 'superseded', by },
    unlisted: { identifiers: ['shop.test', 'b.test'], listing: listingOf('b.test') },
    others: [{ ...other, identifiers: ['shop.test', 'b.test'], listing: listingOf('b.test') }],
    isServed: true,
    removal: /superseded/,
  },
  {
    says: 'superseded, a filter hands it out for a name that it does not have',
    tombstone: { reason: 'superseded', by },
    unlisted: { listing: listingOf('extra.test') },
    others: [other],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'superseded, an address is a name',
    tombstone: { reason: 'superseded', by },
    unlisted: { identifiers: ['shop.test', '192.0.2.1'] },
    others: [other],
    isServed: true,
    removal: undefined,
    isEnding: true,
  },
  {
    says: 'expired',
    manifest: { signedAt: expired.toISOString() },
    now: expired,
    removal: /^expired 2027-01-30/,
  },
  { says: 'expired by the clock of this host', now: expired, removal: undefined },
  {
    says: 'expired by the clock of the issuer',
    manifest: { signedAt: expired.toISOString() },
    removal: undefined,
  },
  {
    says: 'expired, version 1',
    manifest: { version: 1, signedAt: undefined as never, updatedAt: expired.toISOString() },
    now: expired,
    removal: /^expired/,
  },
  {
    says: 'the certificate is a pair now',
    others: [rsa, ecdsa],
    isServed: true,
    removal: /^shop.pem.rsa, shop.pem.ecdsa took its place$/,
  },
  {
    says: 'the certificate is a pair now, not served yet',
    others: [rsa, ecdsa],
    removal: undefined,
    isEnding: true,
  },
  { says: 'gone from the disk', isGone: true, removal: undefined },
  { says: 'gone from the disk, and withdrawn', isGone: true, tombstone: {}, removal: /^withdrawn/ },
  {
    says: 'gone from the disk, HAProxy keeps it as its default certificate',
    isGone: true,
    record: { waiting: { code: 'ERR_RUNTIME_IN_USE', since: now.toISOString() } },
    removal: /removed from the disk before/,
  },
];

for (const row of ROWS) {
  test(`ends: ${row.says} → ${row.removal ? 'goes' : 'stays'}`, () => {
    const { name = 'shop', ...changes } = row.tombstone ?? {};
    const tombstone: Tombstone = {
      ...{ reason: 'withdrawn', at: '2026-11-20T00:00:00Z' },
      pems: [{ sha256: desiredSha, notAfter: desired.notAfter.toISOString() }],
      ...changes,
    };
    const manifest: Manifest = {
      ...emptyManifest(fleet, now),
      ...{ version: 2, sequence: 20, signedAt: now.toISOString() },
      tombstones: row.tombstone ? { [certificateName.parse(name)]: tombstone } : {},
      ...row.manifest,
    };
    const { others = [], isServed = false } = row;
    const shown = others.map(({ file, serial }): [string, RuntimeFile[]] => [
      file,
      [runtimeFile({ serial })],
    ]);
    const view = haproxy([runtimeFile({})]);
    const proven = { sha256: otherSha, addresses: ['127.0.0.1:443'] };
    const records = new Map([
      ['shop.pem', record(row.record ?? {})],
      ...others.map(({ file }) => [file, record({ written: [otherSha], proven })] as const),
    ]);
    const input: EndsInput = {
      manifest,
      ended: withTombstones(undefined, { ...manifest, version: 2 }, now),
      desired: others,
      filesByCertificate: new Map(others.map(({ certificate }) => [certificate, others.length])),
      disk: new Map([
        ...(row.isGone ? [] : [['shop.pem', right] as const]),
        ...others.map(({ file, sha256 }) => [file, { ...old, sha256 }] as const),
      ]),
      haproxy: { ...view, files: new Map([...view.files, ...(isServed ? shown : [])]) },
      records,
      proofs: proofsOf(records),
      maxAgeMs: 600_000,
      handshakes: ['127.0.0.1:443'],
      now: row.now ?? now,
    };
    const own = { ...unlisted, identifiers: ['shop.test'], ...row.unlisted };

    const { kept, removals } = endsOf(['shop.pem'], new Map(row.isGone ? [] : [['shop.pem', own]]), input);

    const reason = removals.get('shop.pem');
    if (row.removal === undefined) assert.equal(reason, undefined);
    else assert.match(reason ?? '', row.removal);
    assert.equal(kept.length, row.removal || row.isGone ? 0 : 1);
    assert.equal(kept[0]?.isEnding, row.isEnding);
  });
}
