/**
 * `proofs.json` in the state directory: what handshakes have shown, so that an agent that is started anew knows which are due. It may be
 * lost: then all is proved anew, at the pace. It is apart from the state because it changes with each handshake.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { parseJson } from '#contract/json.ts';
import { sha256Hex } from '#contract/layout.ts';
import type { Log } from '../log.ts';
import { MAX_DOCUMENT_BYTES, readDocument, stateProblemOrThrow, writeDocument } from '../state/documents.ts';
import type { FileRecords } from '../state/file-record.ts';
import { KnownProofs } from './known.ts';
import type { Attempt, DeadBind, FileProofs, Unproven, UnprovenReason } from './record.ts';

const attempt = z.looseObject({ at: z.iso.datetime(), pid: z.number().int().optional() });

const proofsDocument = z.looseObject({
  version: z.literal(1),
  files: z.record(
    z.string(),
    z.looseObject({
      ...{ sha256: sha256Hex, attempt },
      proofs: z.record(z.string(), attempt),
      unproven: z
        .array(
          z.looseObject({
            address: z.string(),
            reason: z.string(),
            message: z.string(),
            since: z.iso.datetime(),
          }),
        )
        .optional(),
    }),
  ),
  /** By file: how many proofs have gone well, which decides the names that the next one asks for. */
  turns: z.record(z.string(), z.number().int().nonnegative()).optional(),
  deadBinds: z.array(
    z.looseObject({ address: z.string(), message: z.string(), since: z.iso.datetime(), attempt }),
  ),
});

type ProofsDocument = z.infer<typeof proofsDocument>;

const BOUNDS = { maxStringBytes: MAX_DOCUMENT_BYTES, maxItems: 1_000_000 };
const FILE = 'proofs.json';

/** @param earlier records of an agent that kept proofs without their time there: due at once */
export async function readProofs(
  directory: string,
  log: Log,
  earlier: FileRecords = new Map(),
): Promise<KnownProofs> {
  const path = join(directory, FILE);
  const parse = (text: string) => proofsDocument.parse(parseJson(Buffer.from(text), BOUNDS));
  const read = await readDocument(path, parse).catch((error: unknown) => void stateProblemOrThrow(error));
  if (read === 'broken') log('state.reset', { file: path });
  const document = read === undefined || read === 'broken' ? undefined : read;
  return new KnownProofs({
    files: document === undefined ? withoutTime(earlier) : filesIn(document),
    deadBinds: new Map(document?.deadBinds.map((one) => [one.address, deadBindIn(one)])),
    turns: new Map(Object.entries(document?.turns ?? {})),
  });
}

/** @returns what kept the directory from taking it, which costs the next process its handshakes */
export async function saveProofs(directory: string, known: KnownProofs): Promise<void> {
  if (!known.takeChange()) return;
  const { files, deadBinds, turns } = known.proofs;
  const document: ProofsDocument = {
    version: 1,
    files: Object.fromEntries([...files].map(([file, proofs]) => [file, textOf(proofs)])),
    turns: Object.fromEntries(turns),
    deadBinds: [...deadBinds.values()].map((one) => ({
      ...one,
      since: timeText(one.since),
      attempt: attemptText(one.attempt),
    })),
  };
  await writeDocument(join(directory, FILE), document).catch(stateProblemOrThrow);
}

const UNKNOWN: Attempt = { at: 0, pid: undefined };

function withoutTime(files: FileRecords): Map<string, FileProofs> {
  return new Map(
    [...files].flatMap(([file, { proven }]) => {
      if (proven === undefined) return [];
      const proofs = new Map(proven.addresses.map((address) => [address, UNKNOWN]));
      return [[file, { sha256: proven.sha256, attempt: UNKNOWN, proofs, unproven: new Map() }]];
    }),
  );
}

function filesIn({ files }: ProofsDocument): Map<string, FileProofs> {
  return new Map(
    Object.entries(files).map(([file, one]) => [
      file,
      {
        sha256: one.sha256,
        attempt: attemptIn(one.attempt),
        proofs: new Map(Object.entries(one.proofs).map(([address, proof]) => [address, attemptIn(proof)])),
        unproven: new Map(one.unproven?.map((why) => [why.address, unprovenIn(why)])),
      },
    ]),
  );
}

type AttemptText = z.infer<typeof attempt>;

const attemptIn = ({ at, pid }: AttemptText): Attempt => ({ at: Date.parse(at), pid });

function unprovenIn(why: {
  address: string;
  reason: string;
  message: string;
  since: string;
}): Unproven & { since: number } {
  const { address, message, since } = why;
  return { address, reason: why.reason as UnprovenReason, message, since: Date.parse(since) };
}

function deadBindIn({
  address,
  message,
  since,
  attempt: last,
}: ProofsDocument['deadBinds'][number]): DeadBind {
  return { address, message, since: Date.parse(since), attempt: attemptIn(last) };
}

function textOf({ sha256, attempt: last, proofs, unproven }: FileProofs): ProofsDocument['files'][string] {
  return {
    sha256,
    attempt: attemptText(last),
    proofs: Object.fromEntries([...proofs].map(([address, proof]) => [address, attemptText(proof)])),
    ...(unproven.size > 0 && {
      unproven: [...unproven.values()].map((why) => ({ ...why, since: timeText(why.since) })),
    }),
  };
}

const timeText = (time: number): string => new Date(time).toISOString();

function attemptText({ at, pid }: Attempt): AttemptText {
  return { at: timeText(at), ...(pid !== undefined && { pid }) };
}
