/** What a pass sees of its host, and what it decides to do with each file: those of the manifest, and those that it does not name. */
import type { EndedEntry } from '#contract/host-status.ts';
import { emptyManifest, type Manifest } from '#contract/manifest.ts';
import type { Agent, HostView, PassOptions } from '../agent.ts';
import type { Action, DiskFile } from '../deploy/action.ts';
import { viewDisk } from '../deploy/disk.ts';
import { worksWithoutSocket } from '../deploy/without-socket.ts';
import { type DesiredFile, desiredFiles, stapleFileOf } from '../desired/files.ts';
import { desiredTails, desiredTailsByFile, withCheckedLine } from '../desired/listing.ts';
import { withOverlaps } from '../desired/overlap.ts';
import { RuntimeCommandFailed } from '../errors.ts';
import { crtListFileOf, viewCrtList } from '../haproxy/crt-list-file.ts';
import type { CrtListFile, Tails } from '../haproxy/crt-list-line.ts';
import { namesOfStrangers, withContested } from '../proof/contested.ts';
import { KnownProofs } from '../proof/known.ts';
import { endsOf } from '../removal/ends.ts';
import { isReplaceable, olderEntries } from '../removal/older.ts';
import { possibleFiles, withRecognized } from '../removal/recognized.ts';
import type { ServedInput } from '../removal/served.ts';
import { type OwnFiles, readUnlisted } from '../removal/unlisted.ts';
import { isEntryEnded, withTombstones } from '../state/ended.ts';
import type { FileRecords } from '../state/file-record.ts';
import type { Ownership } from '../state/ownership.ts';
import type { AgentState } from '../state/state.ts';
import { observeHaproxy } from './observe.ts';
import { isNotOurs, plan } from './plan.ts';
import { withoutFailures } from './records.ts';

export interface DecidedPass {
  view: HostView;
  actions: Action[];
  /** With what the manifest says of files that are ours, and of PEMs that have ended. */
  state: AgentState;
  /** Lines of the crt-list file, where there is one. */
  listed: Tails | undefined;
}

/** @param manifest in force; `undefined`: nothing was ever published for this host, and all that it has stays */
export async function decideActions(
  agent: Agent,
  options: PassOptions,
  manifest: Manifest = emptyManifest(agent.config.fleet, new Date(0)),
  { state: before, ownership }: { state: AgentState; ownership: Ownership },
): Promise<DecidedPass> {
  const { certsDir, handshake: handshakes } = agent.config.haproxy;
  const known = await knownFiles(agent, options, manifest, before);
  const { state, records, files, entries, crtListFile, listed, now } = known;
  const onDisk = [...files].flatMap((file) => [file, stapleFileOf(file)]);
  // While HAProxy answers, there is time to read.
  const [observed, disk] = await Promise.all([
    observeHaproxy(agent, desiredTailsByFile(files, entries, listed)),
    viewDisk(certsDir, onDisk, agent.config.pem),
  ]);
  const isWithoutSocket = worksWithoutSocket(agent, observed.blocker, options);
  const { proofs = new KnownProofs(), config } = agent;
  const { provesAtMost } = options;
  // What has become too old has its turn between the polls of an agent that stays.
  const maxAgeMs = provesAtMost === undefined ? config.watch.proveWithinMs : Number.POSITIVE_INFINITY;
  const proving = { handshakes, proofs, maxAgeMs, now };
  const seen = { disk, haproxy: observed.haproxy, isWithoutSocket, records, ...proving };
  const { ours, notOurs, kept, removals, older } = sortFiles(agent, known, seen);
  const facts = {
    isWithoutSocket,
    disk,
    proofs,
    ownership,
    crtListFile,
    olderEntries: older,
    endedEntries: known.refused,
  };
  const view = withKeptLines({ ...agent, ...observed, ...facts }, kept, listed);
  // Without a socket, HAProxy only reads: a directory by file name, a crt-list file line by line.
  const isByName = isWithoutSocket && crtListFile === undefined;
  const named = [...withOverlaps([...ours, ...kept], now, isByName), ...notOurs];
  const desired = await withContestedIn(view, named);
  const suspects = options.suspects?.get(agent.config.haproxy.name ?? '');
  for (const file of suspects ?? []) proofs.distrust(file);
  const actions = plan({ ...seen, haproxy: view.haproxy, desired, removals, listed, suspects, provesAtMost });
  return { view, actions, state, listed };
}

/** Where HAProxy is reloaded or stopped in the midst of it, its next worker is asked anew. */
async function withContestedIn(
  { haproxy, runtime, blocker, proofs }: HostView,
  files: readonly DesiredFile[],
): Promise<DesiredFile[]> {
  if (haproxy === undefined || blocker !== undefined || haproxy.strangers.size === 0) return [...files];
  const names = await namesOfStrangers(runtime, haproxy.strangers).catch((error: unknown) => {
    if (error instanceof RuntimeCommandFailed) return undefined;
    throw error;
  });
  if (names === undefined) return [...files];
  const desired = withContested(files, names);
  for (const { file, contested } of desired) proofs.contest(file, contested);
  return desired;
}

/** What the manifest and the records say, before the host is looked at. */
interface KnownFiles {
  manifest: Manifest;
  state: AgentState;
  records: FileRecords;
  inManifest: DesiredFile[];
  /** Those of them that no tombstone ends. */
  entries: DesiredFile[];
  /** The others. */
  refused: readonly EndedEntry[];
  /** Names of all files that matter. */
  files: ReadonlySet<string>;
  crtListFile: CrtListFile | undefined;
  /** Lines of the crt-list file. */
  listed: Tails | undefined;
  now: Date;
}

async function knownFiles(
  agent: Agent,
  options: PassOptions,
  manifest: Manifest,
  before: AgentState,
): Promise<KnownFiles> {
  const { config } = agent;
  const now = agent.now();
  const possible = possibleFiles(manifest, before.files);
  const unrecorded =
    possible.length > 0 ? await viewDisk(config.haproxy.certsDir, possible, config.pem) : new Map();
  const state = withManifest(before, manifest, unrecorded, now);
  const records = options.ignoresBackOff ? withoutFailures(state.files) : state.files;
  const crtListFile = crtListFileOf(config);
  const inManifest = desiredFiles(config.fleet, manifest);
  const { ended = {} } = state;
  const isEnded = (one: DesiredFile) => isEntryEnded(one, ended, manifest.tombstones);
  const valid = inManifest.filter((one) => !isEnded(one));
  const refused = inManifest.filter(isEnded).map(({ certificate, sha256 }) => ({ certificate, sha256 }));
  const entries = withCheckedLines(valid, crtListFile);
  const files = new Set([...entries.map(({ file }) => file), ...records.keys()]);
  const listed = crtListFile && (await viewCrtList(crtListFile, files));
  return { manifest, state, records, inManifest, entries, refused, files, crtListFile, listed, now };
}

function withCheckedLines(
  files: readonly DesiredFile[],
  crtListFile: CrtListFile | undefined,
): DesiredFile[] {
  return crtListFile === undefined ? [...files] : files.map(withCheckedLine);
}

interface SortedFiles {
  /** What the manifest names and this host is to have. */
  ours: DesiredFile[];
  /** Names of the manifest that a file of another program has. */
  notOurs: DesiredFile[];
  /** Files of ours that the manifest does not name, and that nothing ends. */
  kept: DesiredFile[];
  /** Files of ours that go, with the reason. */
  removals: ReadonlyMap<string, string>;
  /** Certificates of which the manifest has an older PEM than this host. */
  older: ReadonlySet<string>;
}

function sortFiles({ config }: Agent, known: KnownFiles, seen: ServedInput): SortedFiles {
  const { manifest, inManifest, entries, crtListFile, state, now } = known;
  const { records, disk } = seen;
  const { ended = {} } = state;
  const own: OwnFiles = { fleet: config.fleet, certsDir: config.haproxy.certsDir, disk, records };
  const older = olderEntries(entries, own, ended, now);
  const published = entries.filter((one) => !older.has(one.certificate) || isReplaceable(one, own));
  // HAProxy serves another certificate for the names of a file that is not ours: it stands in front of none of ours.
  const notOurs = published.filter((one) => isNotOurs(one, seen));
  const ours = withLeafNames(
    published.filter((one) => !notOurs.includes(one)),
    disk,
  );
  const named = new Set(published.map(({ file }) => file));
  const unnamed = [...records.keys()].filter((file) => !named.has(file));
  const unlisted = unnamed.flatMap((file) => readUnlisted(file, own) ?? []);
  const byFile = new Map(withCheckedLines(unlisted, crtListFile).map((one) => [one.file, one]));
  const filesByCertificate = countByCertificate(inManifest);
  const ends = endsOf(unnamed, byFile, { ...seen, manifest, ended, desired: ours, filesByCertificate, now });
  return { ours, notOurs, ...ends, older };
}

/** @returns the state itself where the manifest has nothing new */
function withManifest(
  state: AgentState,
  manifest: Manifest,
  disk: ReadonlyMap<string, DiskFile>,
  now: Date,
): AgentState {
  const files = withRecognized(state.files, manifest, disk);
  const ended = withTombstones(state.ended, manifest, now);
  const hasEnded = state.ended !== undefined || Object.keys(ended).length > 0;
  if (files === state.files && (ended === state.ended || !hasEnded)) return state;
  return { ...state, files, ...(hasEnded && { ended }) };
}

/** With the names of the leaves that are on disk; those of the others are known when they have been fetched. */
function withLeafNames(files: readonly DesiredFile[], disk: HostView['disk']): DesiredFile[] {
  return files.map((desired) => {
    const { sha256, names } = disk.get(desired.file) ?? {};
    return sha256 === desired.sha256 ? { ...desired, names } : desired;
  });
}

function countByCertificate(files: readonly DesiredFile[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { certificate } of files) counts.set(certificate, (counts.get(certificate) ?? 0) + 1);
  return counts;
}

/** The entries that HAProxy is to have for them are those of the line that they keep. */
function withKeptLines(view: HostView, kept: readonly DesiredFile[], listed: Tails | undefined): HostView {
  if (view.haproxy === undefined || listed === undefined || kept.length === 0) return view;
  const files = new Map(view.haproxy.files);
  for (const { file, listing } of kept) {
    const tails = desiredTails(listing, listed.get(file));
    const runtimeFiles = files.get(file) ?? [];
    files.set(
      file,
      runtimeFiles.map((one) => (one.tails === undefined ? one : { ...one, tails })),
    );
  }
  return { ...view, haproxy: { ...view.haproxy, files } };
}
