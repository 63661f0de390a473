/** What the state directory has at its top. */
import { type IsOwnName, ownNames } from '#common/user/own-directory.ts';

const FILES = ['state.json', 'manifest.json', 'status.json', 'trust.json', 'proofs.json', 'handed-over.json'];
const FOLDERS = ['records', 'shards', 'status'];

/** @param instances each HAProxy of several has a directory of its own there */
export function isStateName(instances: readonly { name?: string | undefined }[]): IsOwnName {
  return ownNames([...FILES, ...FOLDERS, ...instances.flatMap(({ name }) => name ?? [])]);
}
