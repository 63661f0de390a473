/** What the bucket knows of a certificate beside the manifest: where an address shows another one, it tells whose that is. */
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readHistory } from '../publication/history/history.ts';
import { readStoredPem } from '../publication/published-pems.ts';
import type { Background } from './probe.ts';
import type { ProbeTarget } from './target.ts';

/** Reads for each certificate once. @returns rejects with BucketError where the store fails */
export function backgroundReader(bucket: Bucket): (target: ProbeTarget) => Promise<Background> {
  const read = new Map<string, Promise<Background>>();
  return (target) => {
    const id = `${target.fleet}/${target.certificate}`;
    const background = read.get(id) ?? readBackground(bucket, target);
    read.set(id, background);
    return background;
  };
}

async function readBackground(bucket: Bucket, target: ProbeTarget): Promise<Background> {
  const { fleet, certificate, wanted } = target;
  const versions = await readHistory(bucket, fleet, certificate);
  const current = new Set(wanted.map(({ serial }) => serial));
  const serials = versions.flatMap(({ pems }) => pems.map(({ serial }) => serial));
  const former = [...target.former, ...serials].filter((serial) => !current.has(serial));
  return { former: new Set(former), issuer: await issuerOf(bucket, fleet, certificate, wanted) };
}

async function issuerOf(
  bucket: Bucket,
  fleet: FleetName,
  certificate: CertificateName,
  [pem]: ProbeTarget['wanted'],
): Promise<string | undefined> {
  if (pem === undefined) return undefined;
  return (await readStoredPem(bucket, layout.pem(fleet, certificate, pem.sha256)))?.leaf.issuer;
}
