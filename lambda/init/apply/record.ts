/**
 * What each run of init has changed, with copies of every file before and after: /etc/pemfleet/init, root's alone. It says what
 * `--undo` may take back, and which files are init's own.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { ConfigError } from '#common/config-error.ts';
import { readRegularFile, replaceFile, TEMP_SUFFIX } from '#storage/atomic-file.ts';
import { type FileChange, type FileState, removeDirectories, sha256Of } from './file-change.ts';

const attributes = { mode: z.number(), uid: z.number(), gid: z.number() };
const change = z.strictObject({
  path: z.string(),
  /** Copies in the directory of the record; absent: there was no such file. */
  before: z.strictObject({ copy: z.string(), sha256: z.string(), ...attributes }).optional(),
  after: z.strictObject({ copy: z.string(), sha256: z.string(), ...attributes }).optional(),
  /** HAProxy reads it: it takes a check and a reload to take it back. */
  isHaproxy: z.boolean(),
});
/** What `pemfleet adopt` has changed beside files of settings. */
const adoption = z.strictObject({
  /** Where the word of what was withdrawn, revoked or stolen since is. */
  bucket: z.string(),
  /** The files that HAProxy loads, as they were. */
  pems: z.array(
    z.strictObject({
      path: z.string(),
      /** Its content, in a file that the agent deletes in time; or where a link led. Neither: there was none. */
      before: z.strictObject({ copy: z.string(), sha256: z.string() }).optional(),
      link: z.string().optional(),
      ...attributes,
      /** Of the certificate that was adopted. */
      name: z.string(),
      serial: z.string(),
      /** SHA-256 of the PEM that was published. */
      published: z.string(),
    }),
  ),
  /** Owner and mode of what stays where it is: directories, HAProxy's socket. */
  attributes: z.array(z.strictObject({ path: z.string(), ...attributes })),
  /** Directories that get more files from now on, and what was in them: what comes goes with the undo. */
  trees: z.array(
    z.strictObject({
      path: z.string(),
      entries: z.array(z.string()),
      /** What the names of dot-files have in them; absent: all goes. */
      only: z.string().optional(),
      /** There was no such directory, and it goes, too. */
      isNew: z.boolean(),
    }),
  ),
  /** Units of systemd that were disabled or enabled. */
  units: z.array(z.strictObject({ unit: z.string(), verb: z.enum(['enable', 'disable']) })),
  /** The run came to its end; absent: it was killed, or is under way. */
  isDone: z.boolean().optional(),
});
const run = z.strictObject({
  number: z.number(),
  at: z.string(),
  changes: z.array(change),
  /** That were missing. */
  directories: z.array(z.string()),
  haproxyConfig: z.string().optional(),
  statsSocket: z.string(),
  hasDropIns: z.boolean(),
  /** HAProxy has read what the run wrote; absent: the run did not come that far. */
  isLoaded: z.boolean().optional(),
  /** The command; absent: init. */
  by: z.literal('adopt').optional(),
  adoption: adoption.optional(),
});
const record = z.strictObject({ version: z.literal(1), runs: z.array(run) });

export type RecordedChange = z.infer<typeof change>;
export type RecordedRun = z.infer<typeof run>;
export type RecordedAdoption = z.infer<typeof adoption>;
export type InitRecord = z.infer<typeof record>;

/** @param configFile pemfleet.yaml */
export const recordDirectory = (configFile: string): string => join(dirname(configFile), 'init');

const fileOf = (directory: string) => join(directory, 'record.json');
const MAX_RECORD_BYTES = 10_000_000;
const ROOT_ONLY = { mode: 0o600 };

/** @throws ConfigError for a record that is none */
export async function readRecord(directory: string): Promise<InitRecord> {
  const text = await readRegularFile(fileOf(directory), MAX_RECORD_BYTES).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
  if (text === undefined) return { version: 1, runs: [] };
  try {
    return record.parse(JSON.parse(text.toString()));
  } catch (cause) {
    const cure = `the copies of what init has changed lie beside it (1-before-…): put back by hand what you want back, then move ${directory} away`;
    throw new ConfigError('ERR_CONFIG', `${fileOf(directory)} is no record of pemfleet init: ${cure}`, {
      cause,
    });
  }
}

export async function writeRecord(directory: string, content: InitRecord): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await replaceFile(fileOf(directory), `${JSON.stringify(content, null, 2)}\n`, ROOT_ONLY);
}

/** Of the last run: nothing of it is left to do. */
export async function markDone(directory: string): Promise<void> {
  const { version, runs } = await readRecord(directory);
  const last = runs.at(-1);
  if (last?.adoption === undefined) throw new TypeError('no run of adopt is on record');
  const done = { ...last, adoption: { ...last.adoption, isDone: true } };
  await writeRecord(directory, { version, runs: [...runs.slice(0, -1), done] });
}

/** A reload reads the files of all runs. */
export async function markLoaded(directory: string): Promise<void> {
  const { version, runs } = await readRecord(directory);
  await writeRecord(directory, { version, runs: runs.map((one) => ({ ...one, isLoaded: true })) });
}

/** A change as the record has it, and what is to be copied once the record names it. */
export function recordedChange(
  number: number,
  { path, body, mode, uid, gid }: FileChange,
  state: FileState | undefined,
): { change: Omit<RecordedChange, 'isHaproxy'>; copies: ReadonlyMap<string, Buffer> } {
  const copies = new Map<string, Buffer>();
  const keep = (kind: string, copied: Buffer) => {
    const copy = `${number}-${kind}-${sha256Of(Buffer.from(path)).slice(0, 8)}-${basename(path)}`;
    copies.set(copy, copied);
    return { copy, sha256: sha256Of(copied) };
  };
  const change = {
    path,
    before: state && { ...keep('before', state.body), mode: state.mode, uid: state.uid, gid: state.gid },
    after: body && { ...keep('after', body), mode, uid, gid },
  };
  return { change, copies };
}

/** Before anything changes. */
export async function saveCopies(directory: string, copies: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [copy, body] of copies) await replaceFile(join(directory, copy), body, ROOT_ONLY);
}

/** Another command of ours has changed a file of init: it stays one, and `--undo` takes it back, too. */
export async function recordEdit(
  directory: string,
  path: string,
  texts: { before: string; after: string },
): Promise<void> {
  const { version, runs } = await readRecord(directory);
  const last = runs.flatMap(({ changes }) => changes).findLast((one) => one.path === path);
  if (last?.after === undefined || last.after.sha256 !== sha256Of(Buffer.from(texts.before))) return;
  const body = Buffer.from(texts.after);
  await replaceFile(join(directory, last.after.copy), body, ROOT_ONLY);
  const after = { ...last.after, sha256: sha256Of(body) };
  const edited = (one: RecordedChange) => (one === last ? { ...one, after } : one);
  await writeRecord(directory, {
    version,
    runs: runs.map((one) => ({ ...one, changes: one.changes.map(edited) })),
  });
}

/**
 * The run is taken back: its copies go, then its record, and with the last one the directory.
 * @returns the directory where it stays, because somebody has put files there
 */
export async function dropRun(directory: string, content: InitRecord, number: number): Promise<string[]> {
  const gone = content.runs.find((one) => one.number === number);
  const runs = content.runs.filter((one) => one.number !== number);
  const copies = (gone?.changes ?? []).flatMap(({ before, after }) => [before?.copy, after?.copy]);
  for (const copy of copies) {
    if (copy !== undefined) await rm(join(directory, copy), { force: true });
  }
  // A run that was killed while it wrote one.
  for (const name of await readdir(directory)) {
    if (name.endsWith(TEMP_SUFFIX)) await rm(join(directory, name), { force: true });
  }
  if (runs.length > 0) {
    await writeRecord(directory, { version: 1, runs });
    return [];
  }
  await rm(fileOf(directory), { force: true });
  return removeDirectories([directory]);
}

/** Whether init wrote a file, and nobody has changed it since. */
export function isOwnFile({ runs }: InitRecord, path: string, state: FileState): boolean {
  const last = runs.flatMap(({ changes }) => changes).findLast((one) => one.path === path);
  return last?.after?.sha256 === sha256Of(state.body);
}
