// An issuer's part: PEMs and the manifest into the bucket, right or wrong ones.
import { digest, keyTypeOf, parse } from '#contract/combined-pem.ts';
import { certificateName, layout } from '#contract/layout.ts';
import { emptyManifest, parseManifest, serializeManifest } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { certificatesOf } from '../manifest.ts';
import type { LeafOptions, Pki } from '../parts/pki.ts';
import { fleet } from './host.ts';

export function publisher(bucket: Bucket, pki: Pki) {
  const manifest = async () => {
    const object = await bucket.get(layout.manifest(fleet));
    return object ? parseManifest(fleet, object.body) : emptyManifest(fleet, new Date());
  };
  const putManifest = async (text: string) => {
    await bucket.put(layout.manifest(fleet), text);
  };
  const publishBytes = async (name: string, body: string, entry: object) => {
    const key = layout.pem(fleet, certificateName.parse(name), digest(body));
    await bucket.put(key, body);
    const before = await manifest();
    const certificates = certificatesOf({ ...before.certificates, [name]: entry });
    await putManifest(serializeManifest({ ...before, updatedAt: new Date().toISOString(), certificates }));
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
        await bucket.put(layout.pem(fleet, certificateName.parse(name), digest(combined)), combined);
        certificates[name] = entryFor(combined, [`${name}.test`]);
        pems.set(name, combined);
      }
      await putManifest(serializeManifest({ ...before, certificates: certificatesOf(certificates) }));
      return pems;
    },
    unpublish: async (name: string) => {
      const before = await manifest();
      const { [certificateName.parse(name)]: _, ...certificates } = before.certificates;
      await putManifest(serializeManifest({ ...before, certificates }));
    },
  };
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
