/**
 * What must outlive the agent's process, in its state directory: the last good manifest, which files are ours,
 * failures and when to try again, and what was reported. No key ever comes here. Losing it costs nothing but
 * a repeated proof: disk and HAProxy are looked at anew in each pass.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { type HostStatus, parseHostStatus } from '#contract/host-status.ts';
import { certificateName, type FleetName, fleetName, type HostName, sha256Hex } from '#contract/layout.ts';
import { type Manifest, parseManifest } from '#contract/manifest.ts';
import type { Log } from '../log.ts';
import { readDocument, writeDocument } from './documents.ts';

const instant = z.iso.datetime();

const failure = z.looseObject({
  /** Of the PEM that failed: another publication is tried at once. */
  sha256: sha256Hex,
  /** How it was to be listed then: another wish is tried at once, too. */
  listing: z.string().optional(),
  code: z.string(),
  message: z.string(),
  attempts: z.number().int().positive(),
  notBefore: instant,
});

const fileRecord = z.looseObject({
  certificate: certificateName,
  /** Digests that we wrote, or were about to write when we were killed. Only such a file may be removed. */
  written: z.array(sha256Hex),
  /** What TLS handshakes have proved, and where. */
  proven: z.looseObject({ sha256: sha256Hex, addresses: z.array(z.string()) }).optional(),
  /** Digest of the OCSP response that HAProxy has taken. */
  stapled: sha256Hex.optional(),
  failure: failure.optional(),
});

const agentState = z.looseObject({
  version: z.literal(1),
  files: z.record(z.string(), fileRecord),
  /** The last reload that we have made or tried, what it was for, and why it failed. */
  reload: z
    .looseObject({
      at: instant,
      wish: sha256Hex,
      failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
    })
    .optional(),
  /** The host status that the bucket holds. */
  reported: z.looseObject({ digest: sha256Hex, at: instant }).optional(),
});

const storedManifest = z.looseObject({ fleet: fleetName, etag: z.string(), body: z.string() });

export type Failure = z.infer<typeof failure>;
export type FileRecord = z.infer<typeof fileRecord>;
export type AgentState = z.infer<typeof agentState>;

export interface KnownManifest {
  fleet: FleetName;
  etag: string;
  body: string;
  /** The body, parsed: of 10,000 certificates it takes a while, so once a pass. */
  manifest: Manifest;
}

const STATE_FILE = 'state.json';
const MANIFEST_FILE = 'manifest.json';
const STATUS_FILE = 'status.json';

export interface Memory {
  state: AgentState;
  known: KnownManifest | undefined;
  status: HostStatus | undefined;
}

/** A document that is not what we write is forgotten, with a word in the log. */
export async function readMemory(
  directory: string,
  { fleet, host }: { fleet: FleetName; host: HostName },
  log: Log,
): Promise<Memory> {
  const orForget = <T>(name: string, document: T | 'broken' | undefined): T | undefined => {
    if (document !== 'broken') return document;
    log('state.reset', { file: join(directory, name) });
    return undefined;
  };
  const state = orForget(STATE_FILE, await readDocument(join(directory, STATE_FILE), parseState));
  const known = orForget(MANIFEST_FILE, await readDocument(join(directory, MANIFEST_FILE), parseKnown));
  const status = orForget(STATUS_FILE, await readStatus(directory, fleet, host));
  return {
    state: state ?? { version: 1, files: {} },
    known: known?.fleet === fleet ? known : undefined,
    status,
  };
}

const parseState = (text: string, isSealed: boolean) =>
  checked(text, isSealed, () => agentState.parse(JSON.parse(text)));

/** Without our seal also by the manifest's own rules: an agent that was downgraded must fetch anew what it can read. */
function parseKnown(text: string, isSealed: boolean): KnownManifest {
  const { fleet, etag, body } = storedManifest.parse(JSON.parse(text));
  const manifest = checked(body, isSealed, () => parseManifest(fleet, Buffer.from(body)));
  return { fleet, etag, body, manifest };
}

/** No schema of ours changes what it reads (test/unit/lambda/contract/golden.test.ts, test/unit/agent/state/state.test.ts), so that what is sealed can go without. */
function checked<T>(text: string, isSealed: boolean, check: () => T): T {
  return isSealed ? (JSON.parse(text) as T) : check();
}

/** The host status of the last pass, as the bucket got it or should have. */
export function readStatus(directory: string, fleet: FleetName, host: HostName) {
  const parse = (text: string, isSealed: boolean) =>
    checked(text, isSealed, () => parseHostStatus(fleet, host, Buffer.from(text)));
  return readDocument(join(directory, STATUS_FILE), parse);
}

export const saveState = (directory: string, state: AgentState, before?: AgentState) =>
  writeDocument(join(directory, STATE_FILE), state, before);
export const saveStatus = (directory: string, status: HostStatus) =>
  writeDocument(join(directory, STATUS_FILE), status);

export async function saveManifest(
  directory: string,
  { fleet, etag, body }: KnownManifest,
  before?: KnownManifest,
): Promise<void> {
  if (etag === before?.etag && body === before.body) return;
  await writeDocument(join(directory, MANIFEST_FILE), { fleet, etag, body });
}
