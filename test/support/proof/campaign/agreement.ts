/** Disk, HAProxy, manifest and status of each host say the same. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digest, parse } from '#contract/combined-pem.ts';
import { fleetName } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { readPublished } from '../../issuer/signing.ts';
import type { FleetHost } from '../host.ts';
import type { Scene } from '../scene.ts';

/** What a healthy host may still say: it keeps a certificate that is newer than a restored one, until the next renewal. */
const HARMLESS = /^(key-unverified|older-entry|ended-entry)$/;

export async function assertAgreement({ hosts, issuer }: Scene): Promise<void> {
  for (const host of hosts) {
    const status = await host.status();
    const bucket = await openBucket(pathToFileURL(issuer.bucketDir).href);
    const read = await readPublished(bucket, fleetName.parse(host.fleet));
    const published = new Map(
      Object.entries(read?.manifest.certificates ?? {}).map(([name, { pems }]) => [
        `${name}.pem`,
        pems[0]?.sha256,
      ]),
    );
    const unlisted = status.files.filter(({ isUnlisted }) => isUnlisted);
    const wanted = new Map([
      ...published,
      ...unlisted.map(({ file, disk }) => [file, disk?.sha256] as const),
    ]);
    const sorted = (map: Map<string, unknown>) => [...map].sort();

    const of = `${host.name} of ${host.fleet}`;
    assert.deepEqual(sorted(filesOf(host)), sorted(wanted), `${of}: disk and manifest`);
    assert.deepEqual(
      status.files.filter(({ state }) => state !== 'served'),
      [],
      `${of}: status`,
    );
    assert.deepEqual(
      sorted(new Map(status.files.map(({ file, disk }) => [file, disk?.sha256]))),
      sorted(wanted),
      `${of}: status and manifest`,
    );
    assert.deepEqual(
      (status.conditions ?? []).filter(({ condition }) => !HARMLESS.test(condition)),
      [],
      `${of}: conditions`,
    );
    assert.deepEqual([status.error, status.removals], [undefined, undefined], of);
    await assertLoaded(host);
  }
}

function filesOf({ haproxy: { certsDir } }: FleetHost): Map<string, string> {
  const names = readdirSync(certsDir).filter((name) => !name.startsWith('.'));
  return new Map(names.map((name) => [name, digest(readFileSync(join(certsDir, name), 'utf8'))]));
}

/** HAProxy shows the certificates on the disk, and no others. */
async function assertLoaded({ name, haproxy }: FleetHost): Promise<void> {
  const files = readdirSync(haproxy.certsDir).filter((file) => !file.startsWith('.'));
  const shown = (await haproxy.command('show ssl cert')).match(/[^/\s]+\.pem/g) ?? [];
  assert.deepEqual([...shown].sort(), files.sort(), `${name}: HAProxy and disk`);
  for (const file of files) {
    const path = join(haproxy.certsDir, file);
    const answer = await haproxy.command(`show ssl cert ${path}`);
    const { serialNumber } = parse(readFileSync(path, 'utf8')).leaf;
    assert.match(answer, new RegExp(`^Status: Used\\nSerial: ${serialNumber}$`, 'm'), `${name}: ${file}`);
  }
}
