/**
 * Documents of the state directory: JSON files, replaced as a whole. Their last member is a seal: a digest, and the version
 * that wrote the file. Documents that this version sealed skip their schema, which took a third of a pass with 10,000
 * certificates. The seal guards against accidents, not against attackers who may write to the directory.
 *
 * What the directory does not take (full, read-only, of another user) is kept in memory: renewals and back-offs go on.
 */
import { chown, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BodyTooLarge } from '#common/bounded-body.ts';
import { digest } from '#contract/combined-pem.ts';
import { serializeDocument } from '#contract/document.ts';
import { codeOf } from '#contract/errors.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { readRegularFile, replaceFile } from '#storage/atomic-file.ts';
import { HostError } from '../errors.ts';
import { ioProblem } from '../io-problem.ts';

/** The manifest has 32 MiB at most, and is stored as a string, with its quotes escaped. */
export const MAX_DOCUMENT_BYTES = 67_108_864;

/** By path. `wasRead`: a later pass of this process has read it from here. */
const unsaved = new Map<string, { text: string; wasRead: boolean }>();
/** By path: why it cannot be read though it is there. What it holds is not lost, and nothing is written over it. */
const unreadable = new Map<string, HostError>();
/** By path: why it could not be read or written the last time. */
const problems = new Map<string, HostError>();

const SEAL = ',\n  "sealed": ';
const END = '\n}\n';

/**
 * @param parse gets the document without its seal; `isSealed` says that this version wrote exactly these bytes there
 * @param isReplaceable what cannot be read may be written anew: nothing depends on what was there
 * @returns `undefined` if there is no such file, `'broken'` if `parse` refuses it, or it is too large or no regular file
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function readDocument<T>(
  path: string,
  parse: (text: string, isSealed: boolean) => T,
  isReplaceable = false,
): Promise<T | 'broken' | undefined> {
  const text = unsavedText(path) ?? (await readText(path).catch(missingOrBroken(path, isReplaceable)));
  unreadable.delete(path);
  if (text === undefined || text === 'broken') return text;
  if (!unsaved.has(path)) problems.delete(path);
  const { body, seal } = splitSeal(text);
  try {
    return parse(body, seal === sealOf(path, body));
  } catch {
    return 'broken';
  }
}

function unsavedText(path: string): string | undefined {
  const kept = unsaved.get(path);
  if (kept !== undefined) kept.wasRead = true;
  return kept?.text;
}

const missingOrBroken = (path: string, isReplaceable: boolean) => async (error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOENT') return undefined;
  if (error instanceof BodyTooLarge || error.code === 'EINVAL') return 'broken' as const;
  const problem = remembered(path, `${path} cannot be read (${await ioProblem(path, error)})`);
  // Where the directory itself is something else, there is no file.
  if (error.code !== 'ENOTDIR' && !isReplaceable) unreadable.set(path, problem);
  throw problem;
};

/** @returns why a document of the directory, or of a folder of it, cannot be read though it is there */
export function unreadableIn(directory: string, name?: string): HostError | undefined {
  const isMeant = (path: string) =>
    name === undefined ? isIn(directory, path) : path === join(directory, name);
  return [...unreadable].find(([path]) => isMeant(path))?.[1];
}

function remembered(path: string, message: string): HostError {
  const problem = new HostError('ERR_STATE_DIRECTORY', message);
  problems.set(path, problem);
  return problem;
}

/** @throws BodyTooLarge; `EINVAL` for a FIFO or a device: nobody would end the read */
async function readText(path: string): Promise<string> {
  return (await readRegularFile(path, MAX_DOCUMENT_BYTES)).toString('utf8');
}

/**
 * Does not write a document that equals `before`.
 * @param document has at least one member
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function writeDocument(path: string, document: object, before?: object): Promise<void> {
  if (document === before) return;
  const body = serializeDocument(document);
  if (before !== undefined && serializeDocument(before) === body) return;
  await writeText(path, `${body.slice(0, -END.length)}${SEAL}${sealOf(path, body)}${END}`);
}

/** What root writes (a pass or an `adopt` by hand) belongs to the directory's owner: the agent's user must be able to read it. */
export async function ownerOf(directory: string): Promise<{ uid?: number; gid?: number }> {
  if (process.geteuid?.() !== 0) return {};
  const { uid, gid } = await stat(directory);
  return { uid, gid };
}

/** Makes the folder of a file where there is none. @throws what `write`, mkdir(2) and chown(2) throw */
export async function writeInFolder(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await makeFolder(dirname(path));
    await write();
  }
}

/** A new folder gets the owner of the directory around it. @throws what mkdir(2) and chown(2) throw */
async function makeFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  const { uid, gid } = await ownerOf(dirname(made));
  if (uid !== undefined && gid !== undefined) await chown(made, uid, gid);
}

async function writeText(path: string, text: string): Promise<void> {
  const held = unreadable.get(path);
  if (held !== undefined) throw held;
  try {
    await writeInFolder(path, async () =>
      replaceFile(path, text, { mode: 0o600, ...(await ownerOf(dirname(path))) }),
    );
    unsaved.delete(path);
    problems.delete(path);
  } catch (error) {
    unsaved.set(path, { text, wasRead: unsaved.get(path)?.wasRead ?? false });
    const why = await ioProblem(dirname(path), error, Buffer.byteLength(text));
    throw remembered(path, `the agent cannot save ${path} (${why})`);
  }
}

/** Writes what the directory did not take before. What it still does not take stays in memory. */
export async function retryUnsaved(directory: string): Promise<void> {
  for (const [path, { text }] of unsaved) {
    if (isIn(directory, path)) await writeText(path, text).catch(stateProblemOrThrow);
  }
}

/** The document is not wanted any more: what the directory did not take is not tried again. */
export function forgetUnsaved(path: string): void {
  unsaved.delete(path);
  problems.delete(path);
}

/** Of reading or writing a document of the directory. @throws any other error */
export function stateProblemOrThrow(error: unknown): HostError {
  if (error instanceof HostError && error.code === 'ERR_STATE_DIRECTORY') return error;
  throw error;
}

/** Why the directories lack what they are to hold; `undefined`: they have it. */
export function stateProblemIn(directories: readonly string[]): HostError | undefined {
  return [...problems].find(([path]) => directories.some((directory) => isIn(directory, path)))?.[1];
}

/** Or in a folder of it, where shards are. */
function isIn(directory: string, path: string): boolean {
  return dirname(path) === directory || dirname(dirname(path)) === directory;
}

/** A sealed document needs no schema, because no schema of ours changes what it reads (golden.test.ts and state.test.ts hold that). */
export function parseUnlessSealed<T>(text: string, isSealed: boolean, check: () => T): T {
  return isSealed ? (JSON.parse(text) as T) : check();
}

/** @returns false if the directory does not take it: this process keeps it (`stateProblemIn` says why) */
export async function isDocumentSaved(path: string, document: object, before?: object): Promise<boolean> {
  const problem = await writeDocument(path, document, before).catch(stateProblemOrThrow);
  return problem === undefined;
}

/** Whether this process has the document from an earlier pass, though the directory did not take it. */
export function isRemembered(path: string): boolean {
  return unsaved.get(path)?.wasRead === true;
}

/** The seal covers the file's name, so that a document copied over another one does not pass as sealed. */
function sealOf(path: string, body: string): string {
  return JSON.stringify({ by: PEMFLEET_VERSION, sha256: digest(`${basename(path)}\n${body}`) });
}

function splitSeal(text: string): { body: string; seal: string } {
  const at = text.lastIndexOf(SEAL);
  if (at === -1 || !text.endsWith(END)) return { body: text, seal: '' };
  return { body: `${text.slice(0, at)}${END}`, seal: text.slice(at + SEAL.length, -END.length) };
}
