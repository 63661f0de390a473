/** Says whose a file is that the agent did not write: its owner, its age, what certificate it holds. */
import { lstatSync, type Stats } from 'node:fs';
import { printable } from '#common/printable.ts';
import { codeOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { ownerNameOf } from '../config/owner.ts';
import { HostError } from '../errors.ts';
import { MAX_READ_BYTES, readPlainFile } from './disk.ts';
import { pemFactsOf } from './pem-facts.ts';

const MAX_NAMES = 3;

/** The status repeats it word for word until the file changes: nothing in it depends on the time of the pass. */
export async function notOurs(path: string, otherFleet: FleetName | undefined): Promise<HostError> {
  const owner = otherFleet === undefined ? '' : `; the agent of fleet ${otherFleet} has written it`;
  const cure =
    otherFleet === undefined
      ? cureFor(path)
      : 'two fleets want the same file: rename the certificate in one of them, or give each its own directory';
  return new HostError(
    'ERR_INSTALL_NOT_OURS',
    `not ours: ${path} ${await describeFile(path)}${owner}. The agent leaves it as it is; ${cure}`,
  );
}

/** The whole path: several HAProxy of a host may have a file of this name. */
function cureFor(path: string): string {
  const isPlain = lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  return isPlain ? `move it away, or give it to the agent: pemfleet-agent adopt ${path}` : 'move it away';
}

/** Such as: "belongs to root, changed 2026-11-22T12:00:00.000Z, holds a certificate for shop.test until 2027-…". */
export async function describeFile(path: string): Promise<string> {
  try {
    const stats = lstatSync(path);
    const whose = `belongs to ${await ownerNameOf(stats.uid)}, changed ${stats.mtime.toISOString()}`;
    return `${whose}, ${contentOf(path, stats)}`;
  } catch (error) {
    return `cannot be examined (${codeOf(error)})`;
  }
}

function contentOf(path: string, stats: Stats): string {
  if (stats.isSymbolicLink()) return 'is a symbolic link';
  if (stats.isDirectory()) return 'is a directory';
  if (!stats.isFile()) return 'is no plain file';
  if (stats.size > MAX_READ_BYTES) return `has ${stats.size} bytes`;
  try {
    const { names, notAfter, problem } = pemFactsOf(readPlainFile(path).toString('utf8'));
    if (notAfter === undefined) return `${problem}`;
    const some = names.slice(0, MAX_NAMES).map(printable).join(', ') || 'no name';
    const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
    return `holds a certificate for ${some}${more} until ${notAfter.toISOString()}`;
  } catch (error) {
    return `cannot be read by this user (${codeOf(error)})`;
  }
}
