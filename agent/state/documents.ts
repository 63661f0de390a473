/**
 * Documents of the state directory: JSON files, replaced as a whole. Their last member is a seal: a digest, and the version
 * that wrote the file. Documents that this version sealed skip their schema, which took a third of a pass with 10,000
 * certificates. The seal guards against accidents, not against attackers who may write to the directory.
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { BodyTooLarge } from '#common/bounded-body.ts';
import { digest } from '#contract/combined-pem.ts';
import { serializeDocument } from '#contract/document.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { readRegularFile, replaceFile } from '#storage/atomic-file.ts';
import { HostError } from '../errors.ts';

/** The manifest has 24 MiB at most, and is stored as a string, with its quotes escaped. */
export const MAX_DOCUMENT_BYTES = 67_108_864;

const SEAL = ',\n  "sealed": ';
const END = '\n}\n';

/**
 * @param parse gets the document without its seal; `isSealed` says that this version wrote exactly these bytes there
 * @returns `undefined` if there is no such file, `'broken'` if `parse` refuses it, or it is too large or no regular file
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function readDocument<T>(
  path: string,
  parse: (text: string, isSealed: boolean) => T,
): Promise<T | 'broken' | undefined> {
  const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    if (error instanceof BodyTooLarge || error.code === 'EINVAL') return 'broken' as const;
    throw new HostError('ERR_STATE_DIRECTORY', `this user cannot read ${path}`, { cause: error });
  });
  if (text === undefined || text === 'broken') return text;
  const { body, seal } = splitSeal(text);
  try {
    return parse(body, seal === sealOf(path, body));
  } catch {
    return 'broken';
  }
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
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replaceFile(path, `${body.slice(0, -END.length)}${SEAL}${sealOf(path, body)}${END}`, {
      mode: 0o600,
    });
  } catch (error) {
    throw new HostError('ERR_STATE_DIRECTORY', `this user cannot write to ${dirname(path)}`, {
      cause: error,
    });
  }
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
