/**
 * Documents of the state directory: JSON, whole or not at all, with a seal as the last member. What this version has
 * sealed is not checked by its schema again: with 10,000 certificates, that took a third of a pass.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '#contract/atomic-file.ts';
import { digest } from '#contract/combined-pem.ts';
import { serializeDocument } from '#contract/document.ts';
import packageJson from '../package.json' with { type: 'json' };
import { HostError } from './errors.ts';

/** @param isSealed it is, byte for byte, what this version has written */
export type Parse<T> = (text: string, isSealed: boolean) => T;

/** @returns `undefined` if there is none, `'broken'` if `parse` refuses it */
export async function readDocument<T>(path: string, parse: Parse<T>): Promise<T | 'broken' | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new HostError('ERR_STATE_DIRECTORY', `${path} cannot be read by this user`, { cause: error });
  });
  if (text === undefined) return undefined;
  const { body, seal } = split(text);
  try {
    return parse(body, seal === sealOf(body));
  } catch {
    return 'broken';
  }
}

/** Equal to `before` → not written. @throws HostError `ERR_STATE_DIRECTORY` */
export async function writeDocument(path: string, document: object, before?: object): Promise<void> {
  if (document === before) return;
  const body = serializeDocument(document);
  if (before !== undefined && serializeDocument(before) === body) return;
  const directory = join(path, '..');
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await replaceFile(path, withSeal(body), { mode: 0o600 });
  } catch (error) {
    throw new HostError('ERR_STATE_DIRECTORY', `${directory} cannot be written by this user`, {
      cause: error,
    });
  }
}

/** The last member of the object; what it seals is the document without it. */
const SEAL = ',\n  "sealed": ';
const END = '\n}\n';

function withSeal(body: string): string {
  return `${body.slice(0, -END.length)}${SEAL}${sealOf(body)}${END}`;
}

function sealOf(body: string): string {
  return JSON.stringify({ by: packageJson.version, sha256: digest(body) });
}

function split(text: string): { body: string; seal: string } {
  const at = text.lastIndexOf(SEAL);
  if (at === -1 || !text.endsWith(END)) return { body: text, seal: '' };
  return { body: `${text.slice(0, at)}${END}`, seal: text.slice(at + SEAL.length, -END.length) };
}
