/** Earlier versions of an object in a versioned bucket of S3: what a delete leaves there. */
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { BOUND, boundedAnswer } from '#common/net/bounded-answer.ts';
import { s3ErrorName, statusOf } from '#storage/failure.ts';

const ANSWER_BYTES = 8_388_608;
const PAGES = 20;

interface Place {
  Bucket: string;
  Key: string;
}

/** Versions before delete markers: as long as a marker is there, no version of a key comes to light. @throws what the SDK throws */
export async function eraseVersions(client: S3Client, place: Place, what: 'all' | 'earlier'): Promise<void> {
  const { versions, markers } = await versionsOf(client, place);
  for (const { VersionId, IsLatest } of [...versions, ...markers]) {
    if (VersionId === undefined || (what === 'earlier' && IsLatest)) continue;
    const command = new DeleteObjectCommand({ ...place, VersionId });
    command.middlewareStack.add(boundedAnswer(ANSWER_BYTES, ANSWER_BYTES), BOUND);
    await client.send(command);
  }
}

async function versionsOf(client: S3Client, { Bucket, Key }: Place) {
  const versions: NonNullable<ListObjectVersionsCommandOutput['Versions']> = [];
  const markers: NonNullable<ListObjectVersionsCommandOutput['DeleteMarkers']> = [];
  let from: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (let page = 0; page < PAGES; page += 1) {
    const command = new ListObjectVersionsCommand({ Bucket, Prefix: Key, ...from });
    command.middlewareStack.add(boundedAnswer(ANSWER_BYTES, ANSWER_BYTES), BOUND);
    const answer = await client.send(command).catch(noneWhereUnknown);
    if (answer === undefined) break;
    const isMeant = (one: { Key?: string | undefined }) => one.Key === Key;
    versions.push(...(answer.Versions ?? []).filter(isMeant));
    markers.push(...(answer.DeleteMarkers ?? []).filter(isMeant));
    const { IsTruncated, NextKeyMarker, NextVersionIdMarker } = answer;
    // Keys that begin with this one come behind it.
    if (!IsTruncated || NextKeyMarker !== Key) break;
    from = { KeyMarker: NextKeyMarker, ...(NextVersionIdMarker && { VersionIdMarker: NextVersionIdMarker }) };
  }
  return { versions, markers };
}

/** A store that cannot list versions keeps none. */
function noneWhereUnknown(error: unknown): undefined {
  const isUnknown = s3ErrorName(error) === 'NotImplemented' || [405, 501].includes(statusOf(error) ?? 0);
  if (!isUnknown) throw error;
}
