/**
 * `handed-over.json` in the state directory: of each file, the version that `hooks.proved` was told of last. What is proved and does not
 * stand there is told next, whatever came between: a reload, a restart, a poll that proved nothing. It has a line for each file of the host, and
 * lasts as long as a program is configured, whichever.
 */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { codeOf } from '#contract/errors.ts';
import { parseJson } from '#contract/json.ts';
import { sha256Hex } from '#contract/layout.ts';
import { HostError } from '../errors.ts';
import { ioProblem } from '../io-problem.ts';
import type { Log } from '../log.ts';
import {
  forgetUnsaved,
  MAX_DOCUMENT_BYTES,
  parseUnlessSealed,
  readDocument,
  stateProblemOrThrow,
  writeDocument,
} from '../state/documents.ts';

const handedFile = z.looseObject({
  sha256: sha256Hex,
  /** So many runs of the program have begun, and none has ended well yet; absent: it is over, well or given up. */
  runs: z.number().int().nonnegative().optional(),
});

const handedOverDocument = z.looseObject({
  version: z.literal(1),
  /** By `handedKey`. */
  files: z.record(z.string(), handedFile),
});

type HandedOverDocument = z.infer<typeof handedOverDocument>;
export type HandedOver = Map<string, z.infer<typeof handedFile>>;

const BOUNDS = { maxStringBytes: MAX_DOCUMENT_BYTES, maxItems: 1_000_000 };
const FILE = 'handed-over.json';

/** @param instance name of the HAProxy, if the host has several */
export const handedKey = (instance: string | undefined, file: string): string => `${instance ?? ''}/${file}`;

/**
 * @returns `undefined` if there is none, or a broken one
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function readHandedOver(directory: string, log: Log): Promise<HandedOver | undefined> {
  const path = join(directory, FILE);
  const parse = (text: string, isSealed: boolean) =>
    parseUnlessSealed<HandedOverDocument>(text, isSealed, () =>
      handedOverDocument.parse(parseJson(Buffer.from(text), BOUNDS)),
    );
  const read = await readDocument(path, parse);
  if (read === 'broken') log('state.reset', { file: path });
  return read === undefined || read === 'broken' ? undefined : new Map(Object.entries(read.files));
}

/**
 * Without a program, nobody is told: what is proved from then on would look new to the next one.
 * @throws HostError `ERR_STATE_DIRECTORY`
 */
export async function forgetHandedOver(directory: string): Promise<void> {
  const path = join(directory, FILE);
  forgetUnsaved(path);
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    const why = await ioProblem(directory, error);
    throw new HostError('ERR_STATE_DIRECTORY', `${path} cannot be removed (${why})`);
  }
}

/** What the directory does not take, this process keeps. */
export async function saveHandedOver(directory: string, files: HandedOver): Promise<void> {
  const document: HandedOverDocument = { version: 1, files: Object.fromEntries(files) };
  await writeDocument(join(directory, FILE), document).catch(stateProblemOrThrow);
}
