/**
 * Changes the issuer's key. One write counts, that of the record in `issuer/`: a command that is killed before it has changed nothing, and
 * what is missing after it (`keys.json`, new signatures) the next pass makes up for.
 */
import { BucketError, ContractError } from '#contract/errors.ts';
import { readKeyStatements } from '#contract/key-chain.ts';
import { type FleetName, fleetsAmong, layout } from '#contract/layout.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { Bucket } from '#storage/bucket.ts';
import {
  type KeySurvey,
  type RecoverySurvey,
  recovered,
  renewed,
  rotated,
  withRecoveryKey,
} from './next-record.ts';
import { publishKeys, readPublishedKeys } from './published-keys.ts';
import { readSigningKey, type SigningKeyRecord, trustedBy, writeSigningKey } from './record.ts';
import {
  createRecoveryKey,
  type RecoveryKey,
  RecoveryKeyRefused,
  readRecoveryKeyIfThere,
} from './recovery-file.ts';
import { readReportedWords } from './reported.ts';
import { readSignedRoots } from './signed-roots.ts';
import { openSigningKey } from './signing-key.ts';

/** Lineages in one message. */
const MAX_NAMED = 3;

/** Where and when a key is changed. */
export interface KeyChange {
  bucket: Bucket;
  /** Of the configuration; those that have something published come to them. */
  configured: readonly FleetName[];
  now: Date;
  /** Nothing is written. */
  dryRun: boolean;
}

/** @throws ContractError `ERR_SIGNING_KEY_LOST`; BucketError `ERR_BUCKET_CONFLICT` if another issuer was faster */
export async function rotateKey(change: KeyChange): Promise<SigningKeyRecord> {
  const { stored, survey } = await openForChange(change);
  return commit(change, rotated(stored, survey), stored);
}

/** What the operator says of a recovery. */
export interface RecoveryWords {
  /** What the keys before have signed counts no more. */
  isStolen?: boolean | undefined;
  /** Everything shows another lineage, and the file's is to be the one: what is published is ordered anew, and hosts ask for a word. */
  isOtherLineage?: boolean | undefined;
}

/** @throws RecoveryKeyRefused, BucketError */
export async function recoverKey(
  change: KeyChange,
  recovery: RecoveryKey,
  { isStolen = false, isOtherLineage = false }: RecoveryWords = {},
): Promise<SigningKeyRecord> {
  const { stored, replaces } = await readWhateverIsThere(change.bucket);
  const survey = { ...(await surveyKeys(change)), reported: await readReported(change) };
  const known = stored ? [stored.record.lineage] : lineagesIn(survey);
  if (!isOtherLineage) refuseOtherLineage(recovery, known, survey);
  return commit(change, recovered({ stored, recovery, isStolen }, survey), replaces);
}

/** A new lineage: each host asks for a word. @param adopted what these keys have signed stays published. @throws BucketError */
export async function replaceKey(
  change: KeyChange,
  adopted: readonly PublicKey[],
): Promise<SigningKeyRecord> {
  const { replaces } = await readWhateverIsThere(change.bucket);
  return commit(change, renewed(adopted, await surveyKeys(change)), replaces);
}

/**
 * Makes a recovery key known to hosts.
 * @param file where its private half goes; one that a killed command has made is taken
 * @param previous the one that hosts know: nobody else may name another
 * @param fd of the file, where it is open already
 * @throws RecoveryKeyRefused, ContractError, BucketError
 */
export async function nameRecoveryKey(
  change: KeyChange,
  file: string,
  previous?: RecoveryKey,
  fd?: number,
): Promise<SigningKeyRecord> {
  const { stored } = await openForChange(change);
  const { record } = stored;
  const by = previous?.signer ?? stored.signer;
  const made = await readRecoveryKeyIfThere(file, fd);
  if (made !== undefined && made.signer.key === record.recoveryKey) {
    // Typed again after a run that was killed, it is done; the same file as both changes nothing.
    if (previous?.signer.key !== made.signer.key) return record;
    const says = `${file} holds the recovery key that hosts know: to change it, --out names a file that does not exist`;
    throw new RecoveryKeyRefused(says);
  }
  if (record.recoveryKey !== undefined && record.recoveryKey !== by.key) {
    const says = `hosts know the recovery key ${record.recoveryKey}; only it names another: --recovery-key FILE`;
    throw new RecoveryKeyRefused(says);
  }
  if (change.dryRun) return record;
  const { signer } = await createRecoveryKey(file, trustedBy(stored), fd);
  return commit(change, withRecoveryKey(stored, by, signer.key, change.now), stored);
}

/** All fleets: the configured ones, and those that have something published. @throws BucketError */
export async function allFleets({ bucket, configured }: Pick<KeyChange, 'bucket' | 'configured'>) {
  const folders = await bucket.folders(layout.publishedFleets);
  return [...new Set([...configured, ...fleetsAmong(folders)])].sort();
}

/** The key as a pass would open it: today's, and not lost. */
async function openForChange(change: KeyChange) {
  const { bucket, dryRun } = change;
  await openSigningKey(bucket, { fleets: await allFleets(change), dryRun });
  const stored = await readSigningKey(bucket);
  if (stored === undefined) {
    const says = 'there is no signing key yet; the first pass makes it: pemfleet run';
    throw new ContractError('ERR_SIGNING_KEY_LOST', layout.signingKey, says);
  }
  return { stored, survey: await surveyKeys(change) };
}

async function surveyKeys(change: KeyChange): Promise<KeySurvey> {
  const { bucket, now } = change;
  const fleets = await allFleets(change);
  const statements = (await readPublishedKeys(bucket, fleets)).flatMap((keys) => keys.statements);
  return { now, statements, roots: await readSignedRoots(bucket, fleets) };
}

/** Of all hosts, those of fleets in which nothing is published any more, too. */
async function readReported({ bucket, configured }: KeyChange) {
  const folders = await bucket.folders(layout.statusFleets);
  return readReportedWords(bucket, [...new Set([...configured, ...fleetsAmong(folders)])]);
}

/** Of what is published. */
function lineagesIn({ roots, statements }: KeySurvey): string[] {
  const said = readKeyStatements(statements).map(({ claims }) => claims.lineage);
  return [...new Set([...roots.map(({ lineage }) => lineage), ...said])];
}

/**
 * What hosts say that they have read counts for the file, too: after a loss of everything, a pass may have begun another lineage.
 * @param known lineages of the key, or of what is published; none: hosts alone tell
 * @throws RecoveryKeyRefused
 */
function refuseOtherLineage(
  { trusted: { lineage = '', key } }: RecoveryKey,
  known: readonly string[],
  { reported }: RecoverySurvey,
): void {
  const lineages = [...new Set([...known, ...reported.heads.map((head) => head.lineage)])];
  if (lineages.length === 0 || lineages.includes(lineage) || reported.keys.includes(key)) return;
  const saw = `wanted a recovery key of the lineage ${lineages.slice(0, MAX_NAMED).join(' or ')}, saw one of ${lineage}`;
  const says = 'is it the right file? With it everything is ordered anew, and each host asks for a word';
  throw new RecoveryKeyRefused(`${saw}: ${says}; --yes does it all the same`);
}

/** A key that cannot be read is lost too; the operator's word replaces it. */
async function readWhateverIsThere(bucket: Bucket) {
  const object = await bucket.get(layout.signingKey);
  const replaces = object && { etag: object.etag };
  try {
    return { stored: await readSigningKey(bucket), replaces };
  } catch (error) {
    if (error instanceof ContractError) return { stored: undefined, replaces };
    throw error;
  }
}

async function commit(
  change: KeyChange,
  record: SigningKeyRecord,
  replaces: { etag: string } | undefined,
): Promise<SigningKeyRecord> {
  const { bucket, dryRun } = change;
  if (dryRun) return record;
  if (!(await writeSigningKey(bucket, record, replaces))) {
    const says = 'another issuer has changed it meanwhile; try again';
    throw new BucketError('ERR_BUCKET_CONFLICT', layout.signingKey, says);
  }
  await publishKeys(bucket, await readPublishedKeys(bucket, await allFleets(change)), record.statements);
  return record;
}
