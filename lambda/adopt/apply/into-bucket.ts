/** What is adopted gets into the bucket: the accounts of the old client, and each certificate as HAProxy serves it. Nothing is ordered. */
import { serializeDocument } from '#contract/document.ts';
import { fleetName, layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import { readAccountRecord } from '../../ca/account-record.ts';
import { planPresent, publishPresent } from '../../import/publish.ts';
import type { Log } from '../../log.ts';
import { openSigningKey } from '../../signing/signing-key.ts';
import type { UsedCa } from '../plan/adopted-cas.ts';
import type { AdoptionPlan } from '../plan/adoption-plan.ts';

export interface BucketWork {
  bucket: Bucket;
  plan: AdoptionPlan;
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

export function putIntoBucket(work: BucketWork): Promise<InBucket> {
  const { bucket, plan, now, log, audit } = work;
  return bucket.exclusively('pass', LOCK_TIMEOUT_MS, async () => {
    const signing = await openSigningKey(bucket, { fleets: [FLEET] });
    const result: InBucket = { published: [], accounts: [], notes: [] };
    for (const ca of plan.cas) await takeAccount(bucket, ca, result);
    for (const { name, files, issued, spec } of plan.certificates) {
      const source = { bucket, signing, now, log, audit };
      const texts = files.map(({ pem }) => pem.text);
      const { identifiers } = spec;
      const present = await planPresent(source, { name, fleets: [FLEET], texts, issued, identifiers });
      const { changed } = await publishPresent(source, present, spec.from);
      if (changed.length > 0) result.published.push(name);
    }
    return result;
  });
}

/** An account that is there already stays: its orders may be in flight. */
async function takeAccount(bucket: Bucket, ca: UsedCa, result: InBucket): Promise<void> {
  const { account, contact } = ca;
  if (account === undefined) return;
  const place = { bucket, settings: { directoryUrl: ca.directoryUrl } };
  const stored = await readAccountRecord(place);
  if (stored === undefined) {
    const record = { version: 1, key: account.key, ...(account.url && { url: account.url }), contact };
    await bucket.put(layout.account(ca.directoryUrl), serializeDocument(record), { ifNoneMatch: '*' });
    result.accounts.push(ca.directoryUrl);
  } else if (stored.record.key !== account.key) {
    result.notes.push(
      `the bucket has an account at ${ca.directoryUrl} already: that of ${account.client} (${account.file}) is not taken over`,
    );
  }
}
