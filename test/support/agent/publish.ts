// An issuer's part: PEMs and the manifest into the bucket, in both versions of the contract, right or wrong ones.
import { digest, keyTypeOf, parse } from '#contract/combined-pem.ts';
import { certificateName, layout } from '#contract/layout.ts';
import {
  emptyManifest,
  type Manifest,
  parseManifest,
  serializeManifest,
  type Tombstone,
} from '#contract/manifest.ts';
import { signReceipt } from '#contract/receipt.ts';
import { type SignedManifest, serializeRoot } from '#contract/root.ts';
import { generatePrivateKey, type Signer, signerOf } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import { certificatesOf } from '../manifest.ts';
import { parseRoot } from '../parse-root.ts';
import type { LeafOptions, Pki } from '../parts/pki.ts';
import { fleet } from './host.ts';

/** The issuer's key of all stages of this process. */
export const stageSigner: Signer = signerOf(generatePrivateKey());
export const stageLineage = 'stage';

/** As an issuer signs it now, with a sequence above the one before. */
export function signedRoot(
  { certificates, tombstones = {}, sequence = 0 }: Manifest,
  changes: Partial<SignedManifest> = {},
  signer: Signer = stageSigner,
): string {
  const now = new Date();
  const next = changes.sequence ?? Math.max(sequence + 1, now.getTime());
  const entries = Object.entries(certificates).map(([name, entry]) => {
    const { sequence: since = next } = entry;
    const pems = entry.pems.map((pem) => {
      const { sha256, notAfter } = pem;
      const claims = {
        fleet: changes.fleet ?? fleet,
        name: certificateName.parse(name),
        sha256,
        notAfter,
        sequence: since,
      };
      return { ...pem, receipt: pem.receipt ?? signReceipt(signer, claims) };
    });
    return [name, { ...entry, sequence: since, pems }] as const;
  });
  return serializeRoot(
    {
      ...{ version: 2, fleet, lineage: stageLineage, sequence: next, signedAt: now.toISOString() },
      ...{ updatedAt: now.toISOString(), requires: [], tombstones },
      certificates: Object.fromEntries(entries),
      ...changes,
    },
    signer,
  ).text;
}

export function publisher(bucket: Bucket, pki: Pki) {
  /** Version 2, or 1 where there is no other. */
  const manifest = async (): Promise<Manifest> => {
    const root = await bucket.get(layout.root(fleet));
    if (root !== undefined) return parseRoot(fleet, root.body).manifest;
    const object = await bucket.get(layout.manifest(fleet));
    return object ? parseManifest(fleet, object.body) : emptyManifest(fleet, new Date());
  };
  const putRoot = async (text: string) => {
    await bucket.put(layout.root(fleet), text);
  };
  /** Both versions, as an issuer does while there are old agents. */
  const put = async (next: Manifest) => {
    await putRoot(signedRoot(next));
    const { fleet: _, certificates } = next;
    const version1 = { ...emptyManifest(fleet, new Date()), certificates };
    await putManifest(serializeManifest(version1));
  };
  /** Version 1. */
  const putManifest = async (text: string) => {
    await bucket.put(layout.manifest(fleet), text);
  };
  /** Nothing is published for the fleet. */
  const dropManifests = async () => {
    await bucket.delete(layout.root(fleet));
    await bucket.delete(layout.manifest(fleet));
  };
  /** Every PEM that was published under a name. */
  const published = new Map<string, Tombstone['pems']>();
  const putPem = async (name: string, body: string) => {
    const sha256 = digest(body);
    await bucket.put(layout.pem(fleet, certificateName.parse(name), sha256), body);
    const [notAfter = new Date(0).toISOString()] = notAfterIn(body);
    published.set(name, [...(published.get(name) ?? []), { sha256, notAfter }]);
  };
  const publishBytes = async (name: string, body: string, entry: object) => {
    await putPem(name, body);
    const before = await manifest();
    const certificates = certificatesOf({ ...before.certificates, [name]: entry });
    await put({ ...before, certificates, tombstones: withoutPem(before.tombstones, name, digest(body)) });
  };
  /** What the manifest says of a certificate. */
  const entry = async (name: string) => {
    const published = (await manifest()).certificates[certificateName.parse(name)];
    if (published === undefined) throw new Error(`the manifest has no certificate ${name}`);
    return published;
  };
  return {
    manifest,
    entry,
    putManifest,
    putRoot,
    putBoth: put,
    dropManifests,
    publishBytes,
    publish: async (name: string, leaf: LeafOptions) => {
      const { combined } = await pki.issue(leaf);
      await publishBytes(name, combined, entryFor(combined, leaf.names));
      return combined;
    },
    /** One manifest for all of them; `NAME.test` each. */
    publishAll: async (names: readonly string[]) => {
      const pems = new Map<string, string>();
      const before = await manifest();
      const certificates: Record<string, object> = { ...before.certificates };
      for (const name of names) {
        const { combined } = await pki.issue({ names: [`${name}.test`] });
        await putPem(name, combined);
        certificates[name] = entryFor(combined, [`${name}.test`]);
        pems.set(name, combined);
      }
      await put({ ...before, certificates: certificatesOf(certificates) });
      return pems;
    },
    /** The name is missing, and nothing says why. */
    unpublish: async (name: string) => {
      const before = await manifest();
      const { [certificateName.parse(name)]: _, ...certificates } = before.certificates;
      await put({ ...before, certificates });
    },
    /** An operator's word: a tombstone ends everything that was published under the names. */
    withdraw: async (names: string | readonly string[], changes: Partial<Tombstone> = {}) => {
      const before = await manifest();
      const certificates = { ...before.certificates };
      const tombstones = { ...before.tombstones };
      for (const name of [names].flat().map((one) => certificateName.parse(one))) {
        delete certificates[name];
        const all = [...(published.get(name) ?? []), ...(before.certificates[name]?.pems ?? [])];
        const pems = [...new Map(all.map((pem) => [pem.sha256, pem])).values()].map(endOf);
        const at = new Date().toISOString();
        if (pems.length > 0) tombstones[name] = { reason: 'withdrawn', at, pems, ...changes };
      }
      await put({ ...before, certificates, tombstones });
    },
  };
}

/** An operator's word, too: what is published again has not ended. */
function withoutPem(
  tombstones: Manifest['tombstones'],
  name: string,
  sha256: string,
): Record<string, Tombstone> {
  const others = Object.entries(tombstones ?? {}).map(([one, tombstone]): [string, Tombstone] => {
    const isOther = (pem: { sha256: string }) => one !== name || pem.sha256 !== sha256;
    return [one, { ...tombstone, pems: tombstone.pems.filter(isOther) }];
  });
  return Object.fromEntries(others.filter(([, { pems }]) => pems.length > 0));
}

const endOf = ({ sha256, notAfter }: Tombstone['pems'][number]) => ({ sha256, notAfter });

/** None in bytes that are no PEM. */
function notAfterIn(body: string): string[] {
  try {
    return [new Date(parse(body).leaf.validTo).toISOString()];
  } catch {
    return [];
  }
}

/** What an issuer would write of these bytes. */
export function entryFor(body: string, identifiers: readonly string[], changes: object = {}) {
  return {
    publishedAt: new Date().toISOString(),
    identifiers: [...identifiers],
    issued: { directoryUrl: 'https://ca.test/dir', accountUrl: 'https://ca.test/account/1' },
    pems: [{ ...pemRefFor(body), ...changes }],
  };
}

export function pemRefFor(body: string) {
  const { leaf, chain } = parse(body);
  return {
    sha256: digest(body),
    size: Buffer.byteLength(body),
    keyType: keyTypeOf(leaf.publicKey),
    serial: leaf.serialNumber,
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
    chainLength: chain.length,
  };
}

export function serialOf(pem: string): string {
  return parse(pem).leaf.serialNumber;
}
