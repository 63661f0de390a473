/** What a bucket that is a directory has at its top. */
import { type IsOwnName, ownNames } from '#common/user/own-directory.ts';
import { layout } from '#contract/layout.ts';

const FOLDERS = [
  layout.auditTrail,
  layout.publishedFleets,
  layout.statusFleets,
  layout.challenge(''),
  layout.agentReleases,
];

export const isBucketName: IsOwnName = ownNames([...new Set(FOLDERS.map((key) => key.split('/')[0] ?? ''))]);
