/** Manipulations of the root: its bytes, its signature, its age, whose it is. */
import { mkdirSync, truncateSync } from 'node:fs';
import { certificateName, layout } from '#contract/layout.ts';
import { serializeManifest } from '#contract/manifest.ts';
import { signReceipt } from '#contract/receipt.ts';
import { fleet } from '../../agent/host.ts';
import { signedRoot } from '../../agent/publish.ts';
import type { AttackedFleet } from './fleet.ts';
import type { Manipulation } from './rows.ts';

const SIGNATURE = /^ERR_MANIFEST_SIGNATURE: /;
const ROOT = layout.root(fleet);

/** The text of the last member. */
const headOf = (root: string) => /"signature": "([^"]+)"/.exec(root)?.[1] ?? '';
const withHead = (root: string, head: string) => root.replace(headOf(root), head);
const inHead = (head: string, change: (header: object, claims: object) => [object, object]) => {
  const [header = '', claims = '', signature = ''] = head.split('.');
  const decoded = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object;
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return [...change(decoded(header), decoded(claims)).map(encoded), signature].join('.');
};
const edit = (from: string | RegExp, to: string) => (attacked: AttackedFleet) =>
  attacked.putRoot(attacked.root.replace(from, to));
const last = (attacked: AttackedFleet) => attacked.history.at(-1) ?? '';

export const ROOT_ROWS: readonly Manipulation[] = [
  // Destroyed.
  { name: 'the root is deleted', write: (f) => f.remove(ROOT), says: /^ERR_MANIFEST_MISSING: / },
  {
    name: 'all that is published is deleted',
    write: (f) => f.remove('published'),
    says: /^ERR_MANIFEST_MISSING: /,
  },
  { name: 'the root is empty', write: (f) => f.putRoot(''), says: SIGNATURE },
  {
    name: 'the root is cut in half',
    write: (f) => f.putRoot(f.root.slice(0, f.root.length / 2)),
    says: SIGNATURE,
  },
  {
    name: 'the last byte of the root is cut off',
    write: (f) => f.putRoot(f.root.slice(0, -1)),
    says: SIGNATURE,
  },
  { name: 'the root has a byte more', write: (f) => f.putRoot(`${f.root} `), says: SIGNATURE },
  {
    name: 'the root begins with a byte order mark',
    write: (f) => f.putRoot(`\uFEFF${f.root}`),
    says: SIGNATURE,
  },
  {
    name: 'the root is a page of a hotel',
    write: (f) => f.putRoot('<html>Welcome</html>\n'),
    says: SIGNATURE,
  },
  { name: 'the root is binary', write: (f) => f.putRoot(Buffer.alloc(4096, 0xff)), says: SIGNATURE },
  {
    name: 'the root is a giant',
    write: (f) => truncateSync(f.path(ROOT), 1024 ** 3),
    says: /^ERR_BUCKET_SIZE: /,
  },
  {
    name: 'the root is nested a million times',
    write: (f) =>
      f.putRoot(withHead(`{"version": 2, "a": ${'['.repeat(1_000_000)}${f.root.slice(1)}`, headOf(f.root))),
    says: SIGNATURE,
  },
  {
    name: 'a directory is in the place of the root',
    write: (f) => {
      f.remove(ROOT);
      mkdirSync(f.path(ROOT));
    },
    says: /^ERR_MANIFEST_MISSING: /,
  },

  // Edited.
  { name: 'the root without its signature', write: edit(/,\n {2}"signature".*/, ''), says: SIGNATURE },
  {
    name: 'certificates: {}',
    write: edit(/"certificates": \{[\s\S]*?\n {2}\}/, '"certificates": {}'),
    says: SIGNATURE,
  },
  { name: 'an entry is taken out', write: edit(/\n {4}"cart": \{[\s\S]*?\n {4}\},?/, ''), says: SIGNATURE },
  {
    name: 'two certificates change their names',
    write: edit(/"(cart|shop)": \{/g, '"$1x": {'),
    says: SIGNATURE,
  },
  {
    name: 'a digest is that of his own PEM',
    write: async (f) => {
      const { root } = f;
      const { sha256: his = '' } = JSON.parse(await f.forgedRoot(f.thief)).certificates.shop.pems[0];
      const { sha256: ours = '' } = JSON.parse(root).certificates.shop.pems[0];
      f.putRoot(root.replaceAll(ours, his));
    },
    says: SIGNATURE,
  },
  {
    name: 'a tombstone of his own for what is served',
    write: (f) => {
      const pems = f.manifest.certificates[certificateName.parse('shop')]?.pems ?? [];
      const tombstone = { reason: 'revoked', at: new Date().toISOString(), pems };
      f.putRoot(f.root.replace('"tombstones": {', `"tombstones": { "shop": ${JSON.stringify(tombstone)},`));
    },
    says: SIGNATURE,
  },
  {
    name: 'the tombstone is taken out',
    write: edit(/"tombstones": \{[\s\S]*?\n {2}\}/, '"tombstones": {}'),
    says: SIGNATURE,
  },
  {
    name: 'the sequence is at its end',
    write: edit(/"sequence": \d+,\n {2}"signedAt"/, '"sequence": 9007199254740991,\n  "signedAt"'),
    says: SIGNATURE,
  },
  {
    name: 'the time of the signature is next year',
    write: edit(/"signedAt": "2/, '"signedAt": "3'),
    says: SIGNATURE,
  },
  {
    name: 'a requirement that nobody knows',
    write: edit('"requires": []', '"requires": ["flying"]'),
    says: SIGNATURE,
  },
  { name: 'the root has version 3', write: edit('"version": 2', '"version": 3'), says: SIGNATURE },
  {
    name: 'certificates stand in it twice',
    write: edit('"certificates": {', '"certificates": {},\n  "certificates": {'),
    says: SIGNATURE,
  },
  {
    name: 'an entry with a name of JavaScript',
    write: edit('"certificates": {', '"certificates": { "__proto__": {}, "constructor": {},'),
    says: SIGNATURE,
  },

  // Signed by somebody else, or not quite.
  {
    name: 'his own certificate, signed by himself',
    write: async (f) => f.putRoot(await f.forgedRoot(f.thief)),
    says: /^unknown-key: /,
  },
  {
    name: 'all is gone, signed by himself',
    write: (f) => f.putRoot(signedRoot({ ...f.manifest, certificates: {} }, {}, f.thief)),
    says: /^unknown-key: /,
  },
  {
    name: 'all is withdrawn, signed by himself',
    write: (f) => {
      const tombstones = Object.entries(f.manifest.certificates).map(([name, { pems }]) => [
        name,
        { reason: 'withdrawn', at: new Date().toISOString(), pems },
      ]);
      f.putRoot(
        signedRoot(
          { ...f.manifest, certificates: {} },
          { tombstones: Object.fromEntries(tombstones) },
          f.thief,
        ),
      );
    },
    says: /^unknown-key: /,
  },
  {
    name: 'the sequence is at its end, signed by himself',
    write: (f) => f.putRoot(signedRoot(f.manifest, { sequence: Number.MAX_SAFE_INTEGER }, f.thief)),
    says: /^unknown-key: /,
  },
  {
    name: 'his own certificate, signed with the key before',
    write: async (f) => f.putRoot(await f.forgedRoot(f.retired)),
    says: /^unknown-key: /,
  },
  {
    name: 'his own lineage',
    write: async (f) => f.putRoot(await f.forgedRoot(f.thief, { lineage: 'his' })),
    says: /^(other-lineage|unknown-key): /,
  },
  {
    name: 'his signature under our name',
    write: async (f) => {
      const forged = await f.forgedRoot(f.thief);
      const head = inHead(headOf(forged), (header, claims) => [{ ...header, kid: f.signer.key }, claims]);
      f.putRoot(withHead(forged, head));
    },
    says: SIGNATURE,
  },
  {
    name: 'alg: none',
    write: async (f) => {
      const forged = await f.forgedRoot(f.thief);
      const head = inHead(headOf(forged), (header, claims) => [{ ...header, alg: 'none' }, claims]);
      f.putRoot(withHead(forged, head));
    },
    says: SIGNATURE,
  },
  {
    name: 'no signature behind the head',
    write: (f) => f.putRoot(withHead(f.root, headOf(f.root).replace(/\.[^.]+$/, '.'))),
    says: SIGNATURE,
  },
  {
    name: 'the same signature in another spelling',
    write: (f) => {
      const head = headOf(f.root);
      // The last character has four bits that count for nothing.
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const at = alphabet.indexOf(head.slice(-1));
      f.putRoot(withHead(f.root, `${head.slice(0, -1)}${alphabet[at + 1]}`));
    },
    says: SIGNATURE,
  },
  {
    name: "a receipt of ours as the root's head",
    write: (f) => {
      const [pem] = f.manifest.certificates[certificateName.parse('shop')]?.pems ?? [];
      f.putRoot(withHead(f.root, pem?.receipt ?? ''));
    },
    says: SIGNATURE,
  },
  {
    name: "a key statement as the root's head",
    write: (f) => {
      const [statement] = JSON.parse(f.read(layout.keys(fleet)) ?? '').statements as string[];
      f.putRoot(withHead(f.root, statement ?? ''));
    },
    says: SIGNATURE,
  },
  {
    name: "a receipt of his own in an entry, under our root's head",
    write: (f) => {
      const [pem] = f.manifest.certificates[certificateName.parse('shop')]?.pems ?? [];
      const { sha256 = '', notAfter = '' } = pem ?? {};
      const claims = {
        fleet,
        name: certificateName.parse('shop'),
        sha256,
        notAfter,
        sequence: Number.MAX_SAFE_INTEGER,
      };
      f.putRoot(f.root.replace(pem?.receipt ?? '', signReceipt(f.thief, claims)));
    },
    says: SIGNATURE,
  },

  // Old, or of somewhere else.
  { name: "yesterday's root", write: (f) => f.putRoot(last(f)), says: /^stale-manifest: / },
  {
    name: 'the first root of all, by the key before',
    write: (f) => f.putRoot(f.history[0] ?? ''),
    says: /^(stale-manifest|unknown-key): /,
  },
  {
    name: 'the last root before the withdrawal',
    write: (f) => f.putRoot(f.history.findLast((root) => root.includes('"tombstones": {}')) ?? ''),
    says: /^(stale-manifest|unknown-key): /,
  },
  {
    name: "today's content under yesterday's head",
    write: (f) => f.putRoot(withHead(f.root, headOf(last(f)))),
    says: SIGNATURE,
  },
  {
    name: "yesterday's content under today's head",
    write: (f) => f.putRoot(withHead(last(f), headOf(f.root))),
    says: SIGNATURE,
  },
  {
    name: 'the root of our other fleet',
    write: (f) => f.putRoot(f.otherRoot),
    says: /^ERR_MANIFEST_SCHEMA: .*wanted fleet edge, saw other/,
  },
  {
    name: 'the root of our other fleet, renamed',
    write: (f) => f.putRoot(f.otherRoot.replace('"other"', '"edge"')),
    says: SIGNATURE,
  },
  { name: 'nothing new for 25 hours', write: () => undefined, hoursAhead: 25, says: /^frozen-manifest: / },
  {
    name: 'another root of ours with the same sequence',
    write: (f) =>
      f.putRoot(signedRoot({ ...f.manifest, certificates: {} }, { sequence: f.manifest.sequence }, f.signer)),
    says: /^stale-manifest: /,
  },

  // Version 1.
  {
    name: 'version 1 with his own certificate, and no root',
    write: async (f) => {
      const forged = JSON.parse(await f.forgedRoot(f.thief)) as { certificates: object };
      f.write(
        layout.manifest(fleet),
        serializeManifest({
          ...JSON.parse(f.read(layout.manifest(fleet)) ?? ''),
          ...{ certificates: forged.certificates },
        }),
      );
      f.remove(ROOT);
    },
    says: /^ERR_MANIFEST_MISSING: /,
  },
  {
    name: "version 1 in the root's place",
    write: (f) => f.putRoot(f.read(layout.manifest(fleet)) ?? ''),
    says: SIGNATURE,
  },
];
