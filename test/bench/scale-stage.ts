/** Synthetic certificates by the thousand, and a bucket that counts: conditional reads cost it no more than a store, an ETag is no digest. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DAY_MS } from '#common/time.ts';
import { type CertificateName, certificateName, fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import { signReceipt } from '#contract/receipt.ts';
import { generatePrivateKey, signerOf } from '#contract/statement.ts';
import type { Bucket, ConditionalRead, PutCondition } from '#storage/bucket.ts';

export const fleet = fleetName.parse('default');
/** The issuer's key of all processes of a benchmark, which have this directory as their last argument but one. */
export const signer = signerOf(readOrMakeKey(process.argv[5] ?? tmpdir()));

function readOrMakeKey(directory: string): string {
  const path = join(directory, 'bench-key.pem');
  if (!existsSync(path)) writeFileSync(path, generatePrivateKey(), { mode: 0o600 });
  return readFileSync(path, 'utf8');
}

/** An ECDSA leaf of Let's Encrypt, its intermediate and a key. */
export const PEM_BYTES = 3_500;

const begin = Date.parse('2026-11-27T00:00:00.000Z');
const timeAt = (ms: number) => new Date(begin + ms).toISOString();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A signature costs 0.1 ms: of a hundred thousand receipts, all are as long as this one. */
const receipt = signReceipt(signer, {
  ...{ fleet, name: nameOf(12_345), sha256: sha256('a'), notAfter: timeAt(0), sequence: begin },
});

export function nameOf(index: number): CertificateName {
  return certificateName.parse(`shop-${String(index).padStart(5, '0')}.example.com`);
}

/** As after a renewal: with the publication before it. @param version of the certificate */
export function entryOf(index: number, version: number, contract: 1 | 2): ManifestEntry {
  const publishedAt = timeAt(version * 1000);
  return {
    identifiers: [nameOf(index)],
    publishedAt,
    issued: {
      directoryUrl: 'https://acme-v02.api.letsencrypt.org/directory',
      accountUrl: 'https://acme-v02.api.letsencrypt.org/acme/acct/1234567890',
      profile: 'tlsserver',
    },
    ...(contract === 2 && { sequence: begin + version }),
    pems: [pemOf(index, version, contract)],
    previous: { publishedAt, pems: [pemOf(index, version - 1, contract)] },
  };
}

function pemOf(index: number, version: number, contract: 1 | 2): PemRef {
  const digest = sha256(`${index} ${version}`);
  return {
    ...{ sha256: digest, size: PEM_BYTES, keyType: 'ec256', serial: digest.slice(0, 36).toUpperCase() },
    ...{ notBefore: timeAt(version * 1000), notAfter: timeAt(90 * DAY_MS + version * 1000), chainLength: 2 },
    certId: `aYhba4dGQEHhs3uEe6CuLN4ByNQ.${digest.slice(0, 24)}`,
    ...(contract === 2 && { receipt }),
  };
}

export interface Traffic {
  gets: number;
  puts: number;
  /** Of `puts`: what hosts read. */
  published: number;
  read: number;
  written: number;
}

export class CountedBucket implements Pick<Bucket, 'url' | 'get' | 'put'> {
  readonly url = 'file:///bench/';
  traffic: Traffic = { gets: 0, puts: 0, published: 0, read: 0, written: 0 };
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  get = (async (key: string, { ifNoneMatch }: Partial<ConditionalRead> = {}) => {
    this.traffic.gets += 1;
    const etag = this.#etagOf(key);
    if (etag === undefined) return undefined;
    if (etag === ifNoneMatch) return 'not-modified';
    const body = readFileSync(join(this.#root, key));
    this.traffic.read += body.length;
    return { body, etag };
  }) as Bucket['get'];

  put = async (key: string, body: string | Buffer, condition?: PutCondition) => {
    this.traffic.puts += 1;
    if (key.startsWith('published/')) this.traffic.published += 1;
    const before = this.#etagOf(key);
    if (condition && 'ifNoneMatch' in condition && before !== undefined) return 'precondition-failed';
    if (condition && 'ifMatch' in condition && before !== condition.ifMatch) return 'precondition-failed';
    const path = join(this.#root, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, body);
    this.traffic.written += Buffer.byteLength(body);
    return { etag: this.#etagOf(key) ?? '' };
  };

  putPem(index: number, version: number): Promise<unknown> {
    const [{ sha256: digest = '' } = {}] = entryOf(index, version, 2).pems;
    return this.put(layout.pem(fleet, nameOf(index), digest), 'x'.repeat(PEM_BYTES));
  }

  #etagOf(key: string): string | undefined {
    const stats = statSync(join(this.#root, key), { throwIfNoEntry: false, bigint: true });
    return stats && `"${stats.ino}-${stats.size}-${stats.mtimeNs}"`;
  }
}
