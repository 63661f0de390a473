/** A bucket in a directory as an issuer and many hosts have left it, all of it well. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { type FileStatus, serializeReport } from '#contract/host-status.ts';
import { type CertificateName, hostName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import { openBucket } from '#storage/open.ts';
import { Publisher } from '../../../lambda/publication/publisher.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { after } from '../../support/clock.ts';
import {
  DIRECTORY_URL,
  fleet,
  makeEntry,
  makeHostStatus,
  makePemRef,
  named,
} from '../../support/issuer/documents.ts';

export interface Crowd {
  /** The bucket's directory. */
  directory: string;
  url: string;
  configFile: string;
  /** Puts an object past all limits of a writer. */
  put(key: string, body: string | Buffer): void;
}

const digestOf = (index: number) => index.toString(16).padStart(64, '0');

/** @param size how many there are; each host serves all of the certificates */
export async function makeCrowd(
  dir: string,
  size: { certificates: number; hosts: number },
  changes: object = {},
): Promise<Crowd> {
  const now = new Date();
  const directory = join(dir, 'bucket');
  const url = pathToFileURL(directory).href;
  const put = (key: string, body: string | Buffer) => {
    const path = join(directory, key);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, body, { mode: 0o600 });
  };
  const entries = new Map(
    Array.from({ length: size.certificates }, (_, index) => {
      return [named(`www-${index}.example.net`), entryOf(index, now)] as const;
    }),
  );
  for (const [name, { pems }] of entries) {
    for (const { sha256, size: bytes } of pems) put(layout.pem(fleet, name, sha256), 'a PEM'.padEnd(bytes));
  }
  const bucket = await openBucket(url);
  const signing = await openSigningKey(bucket, { fleets: [fleet] });
  const options = publisherOptions(bucket, signing, () => now);
  await new Publisher(bucket, fleet, options).publishAgain(entries);
  for (let index = 0; index < size.hosts; index += 1) {
    const host = hostName.parse(`i-${index}`);
    put(layout.status(fleet, host), serializeReport(reportOf(host, entries, now)));
  }
  const configFile = join(dir, 'pemfleet.json');
  const certificates = [...entries].map(([name, { identifiers }]) => ({ name, identifiers }));
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  writeFileSync(configFile, JSON.stringify({ bucket: url, acme, certificates, ...changes }));
  return { directory, url, configFile, put };
}

function entryOf(index: number, now: Date): ManifestEntry {
  const age = (index % 40) * DAY_MS + 60_000;
  const pem = makePemRef({
    ...{ sha256: digestOf(index + 1), serial: (0x1234567890 + index).toString(16).toUpperCase() },
    notBefore: after(now, -age).toISOString(),
    notAfter: after(now, 90 * DAY_MS - age).toISOString(),
  });
  const name = `www-${index}.example.net`;
  return makeEntry({
    identifiers: [name, `m.${name}`],
    pems: [pem],
    publishedAt: after(now, -age).toISOString(),
  });
}

function reportOf(host: string, entries: ReadonlyMap<CertificateName, ManifestEntry>, now: Date) {
  const files = [...entries].map(([certificate, { pems }]): FileStatus => {
    const [{ sha256, serial, notAfter }] = pems as [ManifestEntry['pems'][number]];
    return {
      ...{ file: `${certificate}.pem`, certificate, state: 'served' },
      since: after(now, -DAY_MS).toISOString(),
      ...{ wanted: { sha256, serial }, disk: { sha256 }, runtime: { serial, notAfter, chainLength: 2 } },
      ...{ handshakes: ['127.0.0.1:443'], provenAt: after(now, -5 * MINUTE_MS).toISOString() },
    };
  });
  return makeHostStatus(host, { fleet, files, reportedAt: now.toISOString() });
}
