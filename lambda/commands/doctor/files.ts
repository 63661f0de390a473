/** Files of the issuer: those of a bucket that is a directory, and the secrets that the configuration names. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Mend } from '#common/doctor/mend.ts';
import { type Account, userName } from '#common/user/accounts.ts';
import { closedSettings } from '#common/user/closed-settings.ts';
import { bitsText, faultsText, sharedFix, treeFaults } from '#common/user/owner-faults.ts';
import { configuredCas } from '../../config/acme.ts';
import type { Config } from '../../config/config.ts';
import { isBucketName } from '../line/bucket-names.ts';
import { type IssuerFinding, type IssuerFindingId, issuerFinding } from './finding.ts';

/** A fault with what mends it. */
export interface IssuerMend extends Mend<IssuerFindingId> {
  finding?: IssuerFinding;
}

const FIX = 'as root: pemfleet doctor --fix';
/** Answers to challenges are public (RFC 8555 §8.3): the responder reads them as a user of its own. */
const CHALLENGES = /^challenge(\/|$)/;

/** Keys are the owner's alone; others may pass through to the challenges, and read those. */
export async function mendBucket(directory: string, owner: Account): Promise<IssuerMend[]> {
  const root = await realpath(directory).catch(() => undefined);
  if (root === undefined) return [];
  const forbidden = (below: string, isDirectory: boolean) => {
    const isPublic = below === '' || CHALLENGES.test(below);
    if (!isPublic) return 0o077;
    return isDirectory ? 0o066 : 0o022;
  };
  const { foreign, open, shared } = await treeFaults({ root, owner, isOwn: isBucketName, forbidden });
  const fix = shared === undefined ? FIX : sharedFix(shared, 'bucket');
  const whose = `not ${owner.name ?? `uid ${owner.uid}`}'s, who runs the issuer: ${faultsText(foreign)}`;
  const others = `other users may read, lock or write: ${faultsText(open)}`;
  const mends: IssuerMend[] = [];
  if (foreign.count > 0) {
    const finding = issuerFinding('files-foreign', whose, fix);
    mends.push({ id: 'files-foreign', finding, repairs: foreign.repairs });
  }
  if (open.count > 0) {
    mends.push({
      id: 'files-open',
      finding: issuerFinding('files-open', others, fix),
      repairs: open.repairs,
    });
  }
  return mends;
}

/** Of the file that the unit reads. */
export async function mendSettings(file: string, user: Account | undefined): Promise<IssuerMend[]> {
  const closed = await closedSettings(file, user, 'pemfleet doctor');
  if (closed === undefined) return [];
  const { seen, fix, repairs } = closed;
  return [{ id: 'config-denied', finding: issuerFinding('config-denied', seen, fix), repairs }];
}

/** The HMAC keys of external account bindings: nobody's but the owner's. */
export async function mendSecrets(config: Config, owner: Account | undefined): Promise<IssuerMend[]> {
  const mends: IssuerMend[] = [];
  for (const { externalAccountBinding } of configuredCas(config)) {
    const file = externalAccountBinding?.hmacKeyFile;
    const path = file === undefined ? undefined : await realpath(file).catch(() => undefined);
    if (path === undefined) continue;
    const { mode, uid } = await stat(path);
    if ((mode & 0o007) === 0) continue;
    const saw = `every user may read the HMAC key ${path} (mode ${bitsText(mode)})`;
    const finding = issuerFinding(
      'secret-open',
      saw,
      `as root: pemfleet doctor --fix, or chmod o-rwx ${path}`,
    );
    // The owner of the bucket must go on reading it; root needs no right.
    const isTaken = owner !== undefined && uid === 0 && owner.uid !== 0;
    const taken = isTaken ? { owner: { uid: owner.uid, gid: owner.gid } } : {};
    const repair = { path, within: dirname(path), mode: mode & 0o7770, ...taken };
    mends.push({ id: 'secret-open', finding, repairs: [repair] });
  }
  return mends;
}

/** By the user that orders: root's rights say nothing. */
export async function deniedSecrets(config: Config): Promise<IssuerFinding[]> {
  const files = configuredCas(config).flatMap(({ caFile, externalAccountBinding }) => [
    ...(caFile === undefined ? [] : [caFile]),
    ...(externalAccountBinding === undefined ? [] : [externalAccountBinding.hmacKeyFile]),
  ]);
  const findings: IssuerFinding[] = [];
  for (const file of files) {
    const code = await access(file, constants.R_OK).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (code === undefined) continue;
    const user = userName(process.getuid?.() ?? 0);
    const fix =
      code === 'ENOENT'
        ? 'correct its path in pemfleet.yaml'
        : `install -m 0400 -o ${user} ${file} a directory that ${user} may enter`;
    findings.push(issuerFinding('secret-denied', `${user} cannot read ${file} (${code})`, fix));
  }
  return findings;
}
