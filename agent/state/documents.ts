/**
 * Documents of the state directory: JSON, whole or not at all, with a seal as the last member: a digest, and the version that
 * wrote it. What this version has sealed is not checked by its schema again: with 10,000 certificates, that took a third of a
 * pass. The seal guards against accidents, not against whoever may write there.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { digest } from '#contract/combined-pem.ts';
import { serializeDocument } from '#contract/document.ts';
import { PEMFLEET_VERSION } from '#contract/version.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import { HostError } from '../errors.ts';

const SEAL = ',\n  "sealed": ';
const END = '\n}\n';

/**
 * @param parse gets the document without its seal, and whether it is, byte for byte, what this version has written there
 * @returns `undefined` if there is none, `'broken'` if `parse` refuses it
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function readDocument<T>(
  path: string,
  parse: (text: string, isSealed: boolean) => T,
): Promise<T | 'broken' | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HostError('ERR_STATE_DIRECTORY', `${path} cannot be read by this user`, { cause: error });
  });
  if (text === undefined) return undefined;
  const { body, seal } = apart(text);
  try {
    return parse(body, seal === sealOf(path, body));
  } catch {
    return 'broken';
  }
}

/**
 * Equal to `before` → not written.
 * @param document has a member, at least
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
    throw new HostError('ERR_STATE_DIRECTORY', `${dirname(path)} cannot be written by this user`, {
      cause: error,
    });
  }
}

/** Of one document it is none of another: one that was copied over it is checked. */
function sealOf(path: string, body: string): string {
  return JSON.stringify({ by: PEMFLEET_VERSION, sha256: digest(`${basename(path)}\n${body}`) });
}

function apart(text: string): { body: string; seal: string } {
  const at = text.lastIndexOf(SEAL);
  if (at === -1 || !text.endsWith(END)) return { body: text, seal: '' };
  return { body: `${text.slice(0, at)}${END}`, seal: text.slice(at + SEAL.length, -END.length) };
}
