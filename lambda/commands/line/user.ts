/** As whom each command of `pemfleet` goes on, when root has typed it. */
import { writeNotice } from '#common/cli/streams.ts';
import { accountNamed } from '#common/user/accounts.ts';
import { continueAs, continueAsRightUser, type OwnedPlace } from '#common/user/right-user.ts';
import { parseBucketUrl } from '#storage/address.ts';
import type { BucketAccess } from '#storage/bucket.ts';
import { isBucketName } from './bucket-names.ts';
import { openGivenFiles, removeEmptyOut } from './given-files.ts';
import type { CommandValues } from './options.ts';

/** The responder's own user: it reads no key. */
const RESPONDER_USER = 'pemfleet-responder';

/**
 * Before anything in the bucket is opened. Only a directory has an owner.
 * @throws WrongUser
 */
export async function continueForBucket(
  url: string,
  access: BucketAccess,
  values: CommandValues,
): Promise<void> {
  const address = parseBucketUrl(url);
  const { runsAs, html } = values;
  // It needs what root may after that, too: `whileOwnerOf`.
  const isRootsFile = html !== undefined && html !== '-' && process.getuid?.() === 0;
  if (runsAs === 'anybody' || isRootsFile) return;
  const options = {
    program: 'pemfleet',
    args: process.argv.slice(2),
    env: process.env,
    say: (line: string) => writeNotice(process.stderr, line),
    beforehand: () => openGivenFiles(values),
    // The owner of the bucket may not take a file out of root's directory.
    afterwards: values.out === undefined ? undefined : removeEmptyOut,
  };
  const path = address.kind === 'directory' ? address.path : undefined;
  const isWritten = access === 'write' && runsAs === 'owner';
  const place: OwnedPlace = { path: path ?? '/', isWritten, isOwn: isBucketName, mode: 0o711 };
  const responder = runsAs === 'responder' ? accountNamed(RESPONDER_USER) : undefined;
  if (runsAs === 'responder' && process.getuid?.() !== 0) return;
  if (responder !== undefined) return continueAs(responder, place, options, true);
  if (path !== undefined) await continueAsRightUser(place, options);
}
