/** Files of the issuer: those of a bucket that is a directory, and the secrets that the configuration names. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Mend } from '#common/doctor/mend.ts';
import { type Account, userName } from '#common/user/accounts.ts';
import { closedSettings } from '#common/user/closed-settings.ts';
import { placeFaults } from '#common/user/open-places.ts';
import { bitsText, faultsText, sharedFix, treeFaults } from '#common/user/owner-faults.ts';
import { configuredCas } from '../../config/acme.ts';
import type { Config } from '../../config/config.ts';
import { readRecord, recordDirectory } from '../../init/apply/record.ts';
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

/** The files in which secrets are: nobody's but the owner's. */
export async function mendSecrets(config: Config, owner: Account | undefined): Promise<IssuerMend[]> {
  const mends: IssuerMend[] = [];
  for (const file of secretFilesOf(config)) {
    const path = await realpath(file).catch(() => undefined);
    if (path === undefined) continue;
    const { mode, uid } = await stat(path);
    if ((mode & 0o007) === 0) continue;
    const saw = `every user may read the secret ${path} (mode ${bitsText(mode)})`;
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

/**
 * What others may put in the place of the issuer's files, or write into its settings; and the copies of `init` and `adopt` beside them, in
 * which keys of other clients may be.
 */
export async function mendIssuerPlaces(
  config: Config,
  file: string,
  directory: string | undefined,
): Promise<IssuerMend[]> {
  const settings = resolve(file);
  const secrets = secretFilesOf(config);
  const copies = recordDirectory(settings);
  const places = [settings, copies, ...secrets, ...(directory === undefined ? [] : [directory])];
  const found = await placeFaults(places, [settings]);
  const mends: IssuerMend[] = found.map(({ seen, fix, repairs }) => {
    return { id: 'files-open', finding: issuerFinding('files-open', seen, fix), repairs };
  });
  // A folder of that name may be anybody's; whoever is not root cannot read ours.
  const record = await readRecord(copies).catch(() => undefined);
  if (record === undefined || record.runs.length === 0) return mends;
  const rules = { root: copies, owner: { uid: 0, gid: 0 }, isOwn: () => true, forbidden: () => 0o077 };
  const { open } = await treeFaults(rules);
  if (open.count === 0) return mends;
  const seen = `other users may read, lock or write: ${faultsText(open)}`;
  const repairs = open.repairs;
  return [...mends, { id: 'files-open', finding: issuerFinding('files-open', seen, FIX), repairs }];
}

/** Those of account bindings are in acme and its fallbacks; of channels, the URL may be one. */
function secretFilesOf(config: Config): string[] {
  const ofCas = configuredCas(config).flatMap(({ externalAccountBinding }) => {
    return externalAccountBinding?.hmacKeyFile ?? [];
  });
  const ofChannels = Object.values(config.notify?.channels ?? {}).flatMap(({ webhook }) => {
    return [webhook?.urlFile, webhook?.secretFile].flatMap((one) => one ?? []);
  });
  return [...ofCas, ...ofChannels];
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
