/** What is adopted gets into the bucket: the accounts of the old client, and each certificate as HAProxy serves it. Nothing is ordered. */
import { once } from '#common/once.ts';
import { serializeDocument } from '#contract/document.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import { readAccountRecord } from '../../ca/account-record.ts';
import { readHolds } from '../../hold/holds.ts';
import { Holds } from '../../hold/in-force.ts';
import { judgeTrust, refuseHeldImport, refuseWorse } from '../../import/judge.ts';
import { type PresentPlan, planPresent, publishPresent } from '../../import/publish.ts';
import type { Log } from '../../log.ts';
import { openSigningKey, type Signing } from '../../signing/signing-key.ts';
import { readTrusted } from '../../trusted/read-refusals.ts';
import type { UsedCa } from '../plan/adopted-cas.ts';
import type { AdoptionPlan } from '../plan/adoption-plan.ts';

export interface BucketWork {
  bucket: Bucket;
  plan: AdoptionPlan;
  /** Browsers trust what is published, and need not trust what takes its place. */
  replaceTrusted: boolean;
  now: () => Date;
  log: Log;
  audit: AuditTrail;
}

export interface InBucket {
  /** Certificates that were not published before. */
  published: string[];
  /** Accounts that are ours from now on, by the URL of their CA. */
  accounts: string[];
  notes: string[];
}

const FLEET = fleetName.parse('default');
const LOCK_TIMEOUT_MS = 60_000;

/** What `putIntoBucket` would do; reads only. @throws ImportRefused where it is held, ended, or older than what is published; UntrustedIssuer */
export async function previewBucket(work: Omit<BucketWork, 'audit'>): Promise<InBucket> {
  const { bucket, plan } = work;
  const signing = await openSigningKey(bucket, { fleets: [FLEET], dryRun: true });
  const preview: InBucket = { published: [], accounts: [], notes: [] };
  for (const ca of plan.cas) await takeAccount(bucket, ca, preview, true);
  const presents = await planAll(work, signing);
  const isNew = ({ fleets }: PresentPlan) => fleets.some(({ isPublished }) => !isPublished);
  return { ...preview, published: presents.filter(isNew).map(({ name }) => name) };
}

/** All of it is judged before anything is written. @throws as `previewBucket` */
export function putIntoBucket(work: BucketWork): Promise<InBucket> {
  const { bucket, plan } = work;
  return bucket.exclusively('pass', LOCK_TIMEOUT_MS, async () => {
    const planned = await planAll(work, await openSigningKey(bucket, { fleets: [FLEET], dryRun: true }));
    const source = { ...work, signing: await openSigningKey(bucket, { fleets: [FLEET] }) };
    const result: InBucket = { published: [], accounts: [], notes: [] };
    for (const ca of plan.cas) await takeAccount(bucket, ca, result);
    for (const present of planned) {
      const from = plan.certificates.find(({ name }) => name === present.name)?.spec.from;
      const { changed } = await publishPresent(source, present, from);
      if (changed.length > 0) result.published.push(present.name);
    }
    return result;
  });
}

/** Published at one time: of two with one name that were issued at once, the agent serves the later published one. */
async function planAll(
  { bucket, plan, replaceTrusted, now, log }: Omit<BucketWork, 'audit'>,
  signing: Signing,
): Promise<PresentPlan[]> {
  const at = now();
  const holds = new Holds({ stored: await readHolds(bucket), now: at });
  const planned: PresentPlan[] = [];
  const trusted = once(() => readTrusted({ bucket, fleets: [FLEET], keys: signing, now: at }));
  for (const { name, files, issued, spec } of plan.certificates) {
    const texts = files.map(({ pem }) => pem.text);
    const { identifiers } = spec;
    const source = { bucket, signing, now: () => at, log };
    const present = await planPresent(source, { name, fleets: [FLEET], texts, issued, identifiers });
    refuseWorse(present);
    refuseHeldImport(present, holds);
    await judgeTrust({ ...source, trusted }, present, replaceTrusted);
    planned.push(present);
  }
  return planned;
}

/** An account that is there already stays: its orders may be in flight. */
async function takeAccount(bucket: Bucket, ca: UsedCa, result: InBucket, dryRun = false): Promise<void> {
  const { account, contact } = ca;
  if (account === undefined) return;
  const place = { bucket, settings: { directoryUrl: ca.directoryUrl } };
  const stored = await readAccountRecord(place);
  if (stored === undefined) {
    const record = { version: 1, key: account.key, ...(account.url && { url: account.url }), contact };
    const key = layout.account(ca.directoryUrl);
    if (!dryRun) await bucket.put(key, serializeDocument(record), { ifNoneMatch: '*' });
    result.accounts.push(ca.directoryUrl);
  } else if (stored.record.key !== account.key) {
    result.notes.push(
      `the bucket has an account at ${ca.directoryUrl} already: that of ${account.client} (${account.file}) is not taken over`,
    );
  }
}
