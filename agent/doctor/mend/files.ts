/** Files of the agent that are another user's, or that others may read or lock; and its two directories. */
import type { Stats } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mend } from '#common/doctor/mend.ts';
import { type Account, userName } from '#common/user/accounts.ts';
import { placeFaults } from '#common/user/open-places.ts';
import { bitsText, type FaultyFiles, faultsText, sharedFix, treeFaults } from '#common/user/owner-faults.ts';
import type { Repair } from '#common/user/repair.ts';
import { layout } from '#contract/layout.ts';
import { type AgentConfig, ownershipPlace } from '../../config/config.ts';
import { socketPathOf } from '../../haproxy/socket.ts';
import { isStateName } from '../../state/names.ts';
import { readOwnership } from '../../state/ownership.ts';
import { ShardedMap } from '../../state/sharded-map.ts';
import { type AgentState, readStateDirectory } from '../../state/state.ts';
import { type Finding, type FindingId, finding } from '../finding.ts';

/** A fault with what mends it; `finding`: unless another part of doctor finds it. */
export interface AgentMend extends Mend<FindingId> {
  finding?: Finding;
}

const FIX = 'as root: pemfleet-agent doctor --fix';

/** Of the state directory: it holds no keys, and what it says of this host is nobody else's. */
export async function mendState(config: AgentConfig, owner: Account): Promise<AgentMend[]> {
  const { stateDir } = config;
  const path = await realPathOf(stateDir);
  if (path === undefined) return [made('state-not-writable', stateDir, { owner, mode: 0o700 })];
  const isOwn = isStateName(config.instances);
  const { foreign, open, shared } = await treeFaults({ root: path, owner, isOwn, forbidden: () => 0o077 });
  const fix = shared === undefined ? FIX : sharedFix(shared, 'stateDir');
  return [...foreignMend(foreign, owner, fix), ...openMend(open, fix)];
}

/**
 * What others may put in the place of the agent's files, or write into its settings.
 * @param settings files that the agent is started with
 */
export async function mendAgentPlaces(
  { bucket, stateDir, haproxy }: AgentConfig,
  settings: readonly string[],
): Promise<AgentMend[]> {
  const places = [stateDir, haproxy.certsDir, socketPathOf(haproxy.statsSocket), ...settings];
  if (bucket.startsWith('file:')) places.push(fileURLToPath(bucket));
  return (await placeFaults(places, settings)).map(({ seen, fix, repairs }) => {
    return { id: 'files-open', finding: finding('files-open', seen, fix), repairs };
  });
}

/** A directory whose parent exists. */
function made(
  id: FindingId,
  path: string,
  { owner, mode }: Required<Pick<Repair, 'owner' | 'mode'>>,
): AgentMend {
  const { uid, gid } = owner;
  return { id, repairs: [{ path, within: path, owner: { uid, gid }, mode, isNew: true }] };
}

function foreignMend(foreign: FaultyFiles, { uid, name }: Account, fix = FIX): AgentMend[] {
  if (foreign.count === 0) return [];
  const saw = `not ${name ?? `uid ${uid}`}'s, who runs the agent: ${faultsText(foreign)}`;
  return [{ id: 'files-foreign', finding: finding('files-foreign', saw, fix), repairs: foreign.repairs }];
}

function openMend(open: FaultyFiles, fix = FIX): AgentMend[] {
  if (open.count === 0) return [];
  const saw = `other users may read, lock or write: ${faultsText(open)}`;
  return [{ id: 'files-open', finding: finding('files-open', saw, fix), repairs: open.repairs }];
}

/**
 * HAProxy's directory: itself, and of its files the agent's own. What another program has put there stays as it is.
 */
export async function mendCertificates(config: AgentConfig, owner: Account): Promise<AgentMend[]> {
  const { certsDir } = config.haproxy;
  const path = await realPathOf(certsDir);
  if (path === undefined) {
    const isParentThere = (await realPathOf(dirname(certsDir))) !== undefined;
    return isParentThere ? [made('directory-missing', certsDir, { owner, mode: 0o700 })] : [];
  }
  const stats = await stat(path);
  return [...mendDirectory(path, stats, owner), ...(await mendOwnFiles(path, config, owner))];
}

/** Directories of the system, in which others than HAProxy and the agent have their files. */
const SYSTEM =
  /^\/((home|opt|srv|tmp)?$|(bin|boot|dev|etc|lib|proc|root|run|sbin|sys|usr|var)(\/[^/]+)?$|etc\/(ssl|pki)\/(certs|private|tls)$)/;
/** chown(2): the group stays. */
const SAME_GROUP = -1;

function mendDirectory(path: string, { uid, mode }: Stats, owner: Account): AgentMend[] {
  const isSystem = SYSTEM.test(path);
  const repair = { path, within: path };
  const mends: AgentMend[] = [];
  // Taken from root alone, who keeps all rights; another user would lose them.
  if (uid === 0 && owner.uid !== 0 && !isSystem && (mode & 0o022) === 0) {
    const repairs = [
      { ...repair, owner: { uid: owner.uid, gid: SAME_GROUP }, mode: (mode & 0o7777) | 0o700 },
    ];
    mends.push({ id: 'directory-denied', repairs });
  }
  if ((mode & 0o002) !== 0 && !isSystem) {
    mends.push({ id: 'directory-open', repairs: [{ ...repair, mode: mode & 0o7775 }] });
  }
  return mends;
}

async function mendOwnFiles(path: string, config: AgentConfig, owner: Account): Promise<AgentMend[]> {
  const names = await ownNames(path, config);
  const right = { uid: config.pem.uid ?? owner.uid, gid: config.pem.gid ?? owner.gid };
  const foreign: Repair[] = [];
  const open: Repair[] = [];
  const [whose, bits]: [string[], string[]] = [[], []];
  for (const [name, isPem] of names) {
    const file = join(path, name);
    const stats = await lstat(file).catch(() => undefined);
    if (stats === undefined || !(stats.isFile() || stats.isDirectory())) continue;
    const wanted = isPem ? right : { uid: owner.uid, gid: owner.gid };
    // A PEM that the agent has written belongs to the user that the settings name, or still to the agent.
    if (![wanted.uid, owner.uid].includes(stats.uid)) {
      foreign.push({ path: file, within: path, owner: wanted });
      whose.push(`${file} (${userName(stats.uid)})`);
    }
    if ((stats.mode & 0o007) !== 0) {
      open.push({ path: file, within: path, mode: stats.mode & 0o7770 });
      bits.push(`${file} (${bitsText(stats.mode)})`);
    }
  }
  const listed = (all: string[]) => ({ names: all.slice(0, 5), count: all.length });
  return [
    ...foreignMend({ ...listed(whose), repairs: foreign }, owner),
    ...openMend({ ...listed(bits), repairs: open }),
  ];
}

/** Names that the agent's records have, and its dot-files; of each whether it is a PEM or what belongs to one. */
async function ownNames(path: string, config: AgentConfig): Promise<Map<string, boolean>> {
  const none: AgentState = { files: ShardedMap.of({}) };
  const silent = () => undefined;
  const stored = await readStateDirectory(config.stateDir, config, silent).catch(() => ({ state: none }));
  const ownership = await readOwnership(ownershipPlace(config), silent);
  const records = ownership.recordsWith(stored.state).files;
  const entries = await readdir(path).catch(() => []);
  const isDotFile = (name: string) => /^\.(pemfleet-|.+\.pemfleet-)/.test(name);
  const names = entries.filter((name) => isDotFile(name) || records.get(ownerOf(name)) !== undefined);
  return new Map(names.map((name) => [name, !name.startsWith('.pemfleet-')]));
}

/** `X.pem.ocsp` belongs to `X.pem`. */
const ownerOf = (name: string): string => name.replace(/\.(ocsp|issuer|key)$/, '');

/** Where the bucket is a directory of this machine: the statuses of the fleet, which this host writes. */
export async function mendStatuses(
  { bucket, fleet, host }: AgentConfig,
  owner: Account,
): Promise<AgentMend[]> {
  if (!bucket.startsWith('file:')) return [];
  const root = await realPathOf(fileURLToPath(bucket));
  if (root === undefined) return [];
  const file = join(root, layout.status(fleet, host));
  const repairs: Repair[] = [];
  for (const path of [dirname(dirname(file)), dirname(file), file]) {
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.uid === 0 && owner.uid !== 0) {
      repairs.push({ path, within: root, owner: { uid: owner.uid, gid: owner.gid } });
    }
  }
  return repairs.length === 0 ? [] : [{ id: 'status-not-writable', repairs }];
}

const realPathOf = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined);
