/** Manipulations of keys, PEMs, and of hosts that know nothing yet, or nothing any more. */
import { copyFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { serializeKeys, signKeyStatement } from '#contract/key-chain.ts';
import { layout } from '#contract/layout.ts';
import type { Signer } from '#contract/statement.ts';
import { fleet } from '../../agent/host.ts';
import { stageLineage } from '../../agent/publish.ts';
import { type AttackedFleet, pemKey, stapleKey } from './fleet.ts';
import type { Manipulation } from './rows.ts';

const KEYS = layout.keys(fleet);
const UNKNOWN = /^unknown-key: /;

const statementsOf = (f: AttackedFleet): string[] => JSON.parse(f.read(KEYS) ?? '').statements;

/** By `signer`: his key comes next. */
const handOver = (
  f: AttackedFleet,
  signer: Signer,
  claims: { lineage?: string; recoveryKey?: Signer['key'] } = {},
) =>
  signKeyStatement(signer, {
    ...{ lineage: stageLineage, number: Date.now() + 1000, key: f.thief.key, at: new Date().toISOString() },
    ...claims,
  });

/** A root of his own, with these statements about keys. */
const withStatements = (statementsFrom: (f: AttackedFleet) => string[]) => async (f: AttackedFleet) => {
  f.write(KEYS, serializeKeys(statementsFrom(f)));
  f.putRoot(await f.forgedRoot(f.thief));
};

export const KEY_ROWS: readonly Manipulation[] = [
  {
    name: 'he hands over to himself',
    write: withStatements((f) => [...statementsOf(f), handOver(f, f.thief)]),
    says: UNKNOWN,
  },
  {
    name: 'the key before hands over to him',
    write: withStatements((f) => [...statementsOf(f), handOver(f, f.retired)]),
    says: UNKNOWN,
  },
  {
    name: 'the key before hands over to him, and nothing else was ever said',
    write: withStatements((f) => [handOver(f, f.retired)]),
    says: UNKNOWN,
  },
  {
    name: 'a recovery key of his own',
    write: withStatements((f) => {
      const his = handOver(f, f.thief, { recoveryKey: f.thief.key });
      return [his, ...statementsOf(f)];
    }),
    says: UNKNOWN,
  },
  {
    name: 'a hand-over of another lineage, signed by himself',
    write: withStatements((f) => [...statementsOf(f), handOver(f, f.thief, { lineage: 'his' })]),
    says: UNKNOWN,
  },
  {
    name: 'a statement of ours with his key in it',
    write: withStatements((f) => {
      const [header, , signature] = statementsOf(f)[0]?.split('.') ?? [];
      const claims = { lineage: stageLineage, number: 9, key: f.thief.key, at: new Date().toISOString() };
      return [`${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`];
    }),
    says: UNKNOWN,
  },
  {
    name: 'key statements that are none',
    write: async (f) => {
      f.write(KEYS, 'keys\n');
      f.putRoot(await f.forgedRoot(f.thief));
    },
    says: UNKNOWN,
  },
  {
    name: 'key statements without an end',
    write: async (f) => {
      truncateSync(f.path(KEYS), 1024 ** 3);
      f.putRoot(await f.forgedRoot(f.thief));
    },
    says: UNKNOWN,
  },
  {
    name: 'no key statements',
    write: async (f) => {
      f.remove(KEYS);
      f.putRoot(await f.forgedRoot(f.thief));
    },
    says: UNKNOWN,
  },
];

/** The issuer has renewed it, and no host has the PEM yet. */
const renewed = (f: AttackedFleet) => f.publish('shop');
const PEM = (f: AttackedFleet) => pemKey('shop', f.current.get('shop') ?? '');

export const PEM_ROWS: readonly Manipulation[] = [
  {
    name: 'the PEM is his own, for the same name',
    before: renewed,
    write: async (f) => f.write(PEM(f), (await f.foreignPki.issue({ names: ['shop.test'] })).combined),
    says: /^shop\.pem: ERR_(PEM_DIGEST|PEM_SIZE|BUCKET_SIZE): /,
  },
  {
    name: 'the PEM is that of another certificate of ours',
    before: renewed,
    write: (f) => f.write(PEM(f), f.current.get('cart') ?? ''),
    says: /^shop\.pem: ERR_(PEM_DIGEST|PEM_SIZE|BUCKET_SIZE): /,
  },
  {
    name: 'the PEM is the one before',
    write: (f) => f.write(PEM(f), f.read(`published/${fleet}/before.pem`) ?? ''),
    before: async (f) => {
      f.write(`published/${fleet}/before.pem`, f.current.get('shop') ?? '');
      await renewed(f);
    },
    says: /^shop\.pem: ERR_(PEM_DIGEST|PEM_SIZE|BUCKET_SIZE): /,
  },
  {
    name: 'the PEM is deleted',
    before: renewed,
    write: (f) => unlinkSync(f.path(PEM(f))),
    says: /^shop\.pem: ERR_PEM_MISSING: /,
  },
  {
    name: 'the PEM is cut in half',
    before: renewed,
    write: (f) => f.write(PEM(f), (f.current.get('shop') ?? '').slice(0, 1000)),
    says: /^shop\.pem: ERR_PEM_DIGEST: /,
  },
  {
    name: 'the PEM is a giant',
    before: renewed,
    write: (f) => truncateSync(f.path(PEM(f)), 1024 ** 3),
    says: /^shop\.pem: ERR_PEM_DIGEST: /,
  },
];

/** The issuer has a new response, and no host has it yet; he has put the one before away. */
const stapled = async (f: AttackedFleet) => {
  await f.staple('shop');
  f.write(OLD_STAPLE, f.staples.get('shop') ?? '');
  await f.staple('shop');
};
const OLD_STAPLE = `published/${fleet}/before.ocsp`;
const STAPLE = (f: AttackedFleet) =>
  f.path(stapleKey('shop', f.current.get('shop') ?? '', f.staples.get('shop') ?? Buffer.alloc(0)));
const NO_STAPLE = /^staple-failed: .* of shop cannot be stapled \(shop\.pem: ERR_/;

export const STAPLE_ROWS: readonly Manipulation[] = [
  {
    name: 'the OCSP response is the one before',
    before: stapled,
    write: (f) => copyFileSync(f.path(OLD_STAPLE), STAPLE(f)),
    says: /^staple-failed: .*ERR_PEM_DIGEST/,
  },
  {
    name: 'the OCSP response is that of another certificate of ours',
    before: async (f) => {
      await f.staple('cart');
      await stapled(f);
    },
    write: (f) => writeFileSync(STAPLE(f), f.staples.get('cart') ?? ''),
    says: /^staple-failed: .*ERR_PEM_DIGEST/,
  },
  {
    name: 'the OCSP response is deleted',
    before: stapled,
    write: (f) => unlinkSync(STAPLE(f)),
    says: /^staple-failed: .*ERR_PEM_MISSING/,
  },
  {
    name: 'the OCSP response is a giant',
    before: stapled,
    write: (f) => truncateSync(STAPLE(f), 1024 ** 3),
    says: NO_STAPLE,
  },
];

/** Hosts that have only what their operator gave to them: the key. */
export const NEW_HOST_ROWS: readonly Manipulation[] = [
  {
    name: 'a new host: a root of his own',
    host: 'new',
    write: async (f) => f.putRoot(await f.forgedRoot(f.thief)),
    says: UNKNOWN,
  },
  {
    name: 'a new host: a root of the key before',
    host: 'new',
    write: async (f) => f.putRoot(await f.forgedRoot(f.retired)),
    says: UNKNOWN,
  },
  {
    name: 'a new host: version 1, and no root',
    host: 'new',
    write: (f) => f.remove(layout.root(fleet)),
    says: /^ERR_MANIFEST_MISSING: /,
  },
  {
    name: 'a new host: another lineage',
    host: 'new',
    write: async (f) => f.putRoot(await f.forgedRoot(f.thief, { lineage: 'his' })),
    says: /^(other-lineage|unknown-key): /,
  },
  {
    name: "a host that has lost its state: yesterday's root",
    host: 'without state',
    write: (f) => f.putRoot(f.history.at(-1) ?? ''),
    says: /^stale-manifest: /,
  },
  {
    name: 'a host that has lost its state: a root of his own',
    host: 'without state',
    write: async (f) => f.putRoot(await f.forgedRoot(f.thief)),
    says: UNKNOWN,
  },
  {
    name: 'a host that has lost its state: version 1, and no root',
    host: 'without state',
    write: async (f) => {
      f.remove(layout.root(fleet));
    },
    says: /^ERR_MANIFEST_MISSING: /,
  },
];
