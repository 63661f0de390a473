/** What is adopted gets into the bucket: the accounts of the old client, and each certificate as HAProxy serves it. Nothing is ordered. */
import { once } from '#common/once.ts';
import { serializeDocument } from '#contract/document.ts';
import { type CertificateName, fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { UntrustedIssuer } from '../../acme/problem.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import { readAccountRecord } from '../../ca/account-record.ts';
import { readHolds } from '../../hold/holds.ts';
import { Holds } from '../../hold/in-force.ts';
import { judgeTrust, refuseHeldImport, refuseWorse } from '../../import/judge.ts';
import { type PresentPlan, planPresent, publishPresent } from '../../import/publish.ts';
import { ImportRefused } from '../../import/refused.ts';
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

export interface BucketPreview extends InBucket {
  /** Why a certificate of the plan cannot be published: it is held, ended, older than what is published, or not trusted as that is. */
  refused: ReadonlyMap<CertificateName, Error>;
}

const FLEET = fleetName.parse('default');
const LOCK_TIMEOUT_MS = 60_000;

/** What `putIntoBucket` would do; reads only. */
export async function previewBucket(work: Omit<BucketWork, 'audit'>): Promise<BucketPreview> {
  const { bucket, plan } = work;
  const signing = await openSigningKey(bucket, { fleets: [FLEET], dryRun: true });
  const preview: InBucket = { published: [], accounts: [], notes: [] };
  for (const ca of plan.cas) await takeAccount(bucket, ca, preview, true);
  const { planned, refused } = await planAll(work, signing);
  const isNew = ({ fleets }: PresentPlan) => fleets.some(({ isPublished }) => !isPublished);
  return { ...preview, published: planned.filter(isNew).map(({ name }) => name), refused };
}

/** All of it is judged before anything is written. @throws ImportRefused, UntrustedIssuer where one of them is refused */
export function putIntoBucket(work: BucketWork): Promise<InBucket> {
  const { bucket, plan } = work;
  return bucket.exclusively('pass', LOCK_TIMEOUT_MS, async () => {
    const dry = await openSigningKey(bucket, { fleets: [FLEET], dryRun: true });
    const { planned, refused } = await planAll(work, dry);
    for (const error of refused.values()) throw error;
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
): Promise<{ planned: PresentPlan[]; refused: Map<CertificateName, Error> }> {
  const at = now();
  const holds = new Holds({ stored: await readHolds(bucket), now: at });
  const planned: PresentPlan[] = [];
  const refused = new Map<CertificateName, Error>();
  const trusted = once(() => readTrusted({ bucket, fleets: [FLEET], keys: signing, now: at }));
  const source = { bucket, signing, now: () => at, log, trusted };
  for (const { name, files, issued, spec } of plan.certificates) {
    const texts = files.map(({ pem }) => pem.text);
    const { identifiers } = spec;
    try {
      const present = await planPresent(source, { name, fleets: [FLEET], texts, issued, identifiers });
      refuseWorse(present);
      refuseHeldImport(present, holds);
      await judgeTrust(source, present, replaceTrusted);
      planned.push(present);
    } catch (error) {
      if (!(error instanceof ImportRefused || error instanceof UntrustedIssuer)) throw error;
      refused.set(name, error);
    }
  }
  return { planned, refused };
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
