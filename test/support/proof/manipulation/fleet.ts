/**
 * The fleet that somebody attacks: `shop` and `cart` are served, `gone` was withdrawn, the issuer's key was changed once. He may write
 * everything below `published/`, has read all that was ever there, holds the key that the issuer used before, and keys of his own.
 */
import { X509Certificate } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import { serializeKeys, signKeyStatement } from '#contract/key-chain.ts';
import { certificateName, fleetName, layout } from '#contract/layout.ts';
import { emptyManifest, type Manifest, serializeManifest } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import { generatePrivateKey, type Signer, signerOf } from '#contract/statement.ts';
import { fetchResponse } from '../../../../lambda/ocsp/fetch.ts';
import { fleet } from '../../agent/host.ts';
import { entryFor, serialOf, signedRoot, stageLineage } from '../../agent/publish.ts';
import { certificatesOf } from '../../manifest.ts';
import { parseRoot } from '../../parse-root.ts';
import { startOcspResponder } from '../../parts/ocsp-responder.ts';
import type { Pki } from '../../parts/pki.ts';
import type { OrderedLeaf } from '../issuer.ts';

const other = fleetName.parse('other');
const newSigner = () => signerOf(generatePrivateKey());

export class AttackedFleet {
  readonly bucketDir: string;
  readonly pki: Pki;
  /** A CA that no client of the fleet trusts. */
  readonly foreignPki: Pki;
  /** Signs for the issuer now, and signed before. */
  readonly signer = newSigner();
  readonly retired = newSigner();
  /** The operator's; it is not in the bucket. */
  readonly recovery = newSigner();
  /** His own. */
  readonly thief = newSigner();
  /** PEMs that a host may have on its disk, by certificate: what is published last. */
  readonly current = new Map<string, string>();
  /** OCSP responses, by certificate: what is published last. */
  readonly staples = new Map<string, Buffer>();
  #staples = 0;
  /** By serial. */
  readonly issued = new Map<string, OrderedLeaf>();
  /** What he has put away of the time before: the first root, the one before the withdrawal, and before the last renewal. */
  readonly history: string[] = [];
  #certificates: Record<string, object> = {};
  #tombstones: Manifest['tombstones'] = {};
  #sequence = Date.now() - 1_000_000;

  constructor(bucketDir: string, pki: Pki, foreignPki: Pki) {
    this.bucketDir = bucketDir;
    this.pki = pki;
    this.foreignPki = foreignPki;
  }

  /** The issuer renews it, or orders it for the first time, and publishes. */
  async publish(name: string, signer = this.signer): Promise<void> {
    const names = [`${name}.test`];
    const { combined } = await this.pki.issue({ names });
    this.write(pemKey(name, combined), combined);
    this.issued.set(serialOf(combined), { names, number: this.issued.size });
    this.current.set(name, combined);
    this.#certificates = { ...this.#certificates, [name]: entryFor(combined, names) };
    this.commit(signer);
  }

  /** The CA says that it is good, once more, and the issuer publishes what it says. */
  async staple(name: string): Promise<void> {
    const combined = this.current.get(name) ?? '';
    const [leaf, issuer] = [combined, this.pki.intermediatePem].map((pem) => new X509Certificate(pem));
    if (leaf === undefined || issuer === undefined) throw new TypeError('two');
    const responder = await startOcspResponder();
    responder.serve({ pem: this.pki.intermediatePem, keyPem: this.pki.intermediateKeyPem });
    responder.good.add(leaf.serialNumber);
    this.#staples += 1;
    responder.validMinutes = 60 + this.#staples;
    const request = { leaf, issuer, now: new Date() };
    const { body, ...times } = await fetchResponse(responder.url, request, true).finally(() =>
      responder.stop(),
    );
    this.write(stapleKey(name, combined, body), body);
    this.staples.set(name, body);
    const [thisUpdate, nextUpdate] = [times.thisUpdate.toISOString(), times.nextUpdate.toISOString()];
    const ocsp = { sha256: digest(body), size: body.length, thisUpdate, nextUpdate };
    const entry = entryFor(combined, [`${name}.test`], { ocspUrl: responder.url, ocsp });
    this.#certificates = { ...this.#certificates, [name]: entry };
    this.commit();
  }

  withdraw(name: string): void {
    const { [name]: _, ...rest } = this.#certificates;
    const { pems } = this.manifest.certificates[certificateName.parse(name)] ?? { pems: [] };
    this.#certificates = rest;
    this.current.delete(name);
    const ended = { reason: 'withdrawn', at: new Date().toISOString(), pems };
    this.#tombstones = { ...this.#tombstones, [name]: ended };
    this.commit();
  }

  /** Signs anew, and puts the root before it away. */
  commit(signer = this.signer, changes: Partial<SignedManifest> = {}): void {
    this.#sequence += 1000;
    const next = signedRoot(this.#manifest(), { sequence: this.#sequence, ...changes }, signer);
    const before = this.read(layout.root(fleet));
    if (before !== undefined) this.history.push(before);
    this.write(layout.root(fleet), next);
    const { certificates } = this.#manifest();
    this.write(
      layout.manifest(fleet),
      serializeManifest({ ...emptyManifest(fleet, new Date()), certificates }),
    );
    // The issuer's other fleet has the same certificates.
    this.write(
      layout.root(other),
      signedRoot(this.#manifest(), { fleet: other, sequence: this.#sequence }, signer),
    );
  }

  /** Today's key takes over from the one before. */
  rotate(): void {
    const claims = {
      lineage: stageLineage,
      number: 1,
      recoveryKey: this.recovery.key,
      at: new Date().toISOString(),
    };
    const statements = [signKeyStatement(this.retired, { ...claims, key: this.signer.key })];
    for (const one of [fleet, other]) this.write(layout.keys(one), serializeKeys(statements));
    this.commit();
  }

  /** What is published. */
  get manifest(): SignedManifest {
    return parseRoot(fleet, Buffer.from(this.root)).manifest;
  }

  get root(): string {
    return this.read(layout.root(fleet)) ?? '';
  }

  get otherRoot(): string {
    return this.read(layout.root(other)) ?? '';
  }

  /** As the host would like to see it, with a certificate of his own for `shop`, signed by whom he likes. */
  async forgedRoot(signer: Signer, changes: Partial<SignedManifest> = {}): Promise<string> {
    const { combined } = await this.foreignPki.issue({ names: ['shop.test'] });
    this.write(pemKey('shop', combined), combined);
    const certificates = certificatesOf({
      ...this.manifest.certificates,
      shop: entryFor(combined, ['shop.test']),
    });
    const sequence = this.manifest.sequence + 1000;
    return signedRoot({ ...this.manifest, certificates }, { sequence, ...changes }, signer);
  }

  path(key: string): string {
    return join(this.bucketDir, key);
  }

  read(key: string): string | undefined {
    return existsSync(this.path(key)) ? readFileSync(this.path(key), 'utf8') : undefined;
  }

  write(key: string, body: string | Buffer): void {
    mkdirSync(dirname(this.path(key)), { recursive: true });
    writeFileSync(this.path(key), body);
  }

  putRoot(body: string | Buffer): void {
    this.write(layout.root(fleet), body);
  }

  remove(key: string): void {
    rmSync(this.path(key), { recursive: true });
  }

  /** What he writes until then is undone. */
  snapshot(): () => void {
    const copy = `${this.bucketDir}-copy`;
    rmSync(copy, { recursive: true, force: true });
    cpSync(this.path('published'), copy, { recursive: true });
    return () => {
      rmSync(this.path('published'), { recursive: true, force: true });
      cpSync(copy, this.path('published'), { recursive: true });
    };
  }

  #manifest(): Manifest {
    return {
      ...emptyManifest(fleet, new Date()),
      certificates: certificatesOf(this.#certificates),
      tombstones: this.#tombstones ?? {},
    };
  }
}

export function stapleKey(name: string, combined: string, body: Buffer): string {
  return layout.ocsp(fleet, certificateName.parse(name), digest(combined), digest(body));
}

export function pemKey(name: string, combined: string): string {
  return layout.pem(fleet, certificateName.parse(name), digest(combined));
}
