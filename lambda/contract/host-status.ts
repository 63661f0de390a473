/**
 * What one host reports: wanted, on disk, and **what HAProxy serves**. The issuer reads it, so that "renewed but
 * not served" cannot stay hidden.
 */
import * as z from 'zod';
import { listOf } from './collection.ts';
import { dateTime, parseDocument, serializeDocument, VERSION } from './document.ts';
import { ContractError } from './errors.ts';
import type { JsonBounds } from './json.ts';
import {
  certificateName,
  type FleetName,
  fleetName,
  type HostName,
  hostName,
  layout,
  sha256Hex,
} from './layout.ts';
import { MAX_STATUS_BYTES } from './limits.ts';
import { MAX_STATEMENT } from './statement.ts';

/** A host that has not reported for so long is taken for gone: S3 keeps a status as long (cdk/bucket/bucket.ts). */
export const ABSENT_AFTER_MS = 7 * 24 * 3_600_000;

/** Characters of a message that a reader keeps: a thousand hosts may report a thousand failures each. */
const MAX_MESSAGE = 2000;

const failure = z.looseObject({
  code: z.string(),
  message: z.string().transform((message) => {
    if (message.length <= MAX_MESSAGE) return message;
    // Through bytes: a slice would keep the whole text in memory.
    return `${Buffer.from(message.slice(0, MAX_MESSAGE)).toString()}…`;
  }),
});

const message = failure.shape.message;
/** For example `not-here`, `client-certificate`: docs/bucket.md has the table. */
const reasonWord = z.string().max(64);

/** What a handshake showed instead of the wanted certificate. */
const wire = z.looseObject({
  address: z.string().max(256),
  /** The name that was asked for; absent: none. */
  name: z.string().max(256).optional(),
  /** Absent: the bind has no certificate for the name. */
  serial: z.string().max(64).optional(),
  issuer: z.string().max(512).optional(),
  /** The file of HAProxy's directory or configuration that has this certificate, if known. */
  file: z.string().max(1024).optional(),
  /** Of `samples` handshakes, so many showed something else: fewer than all where two processes listen. */
  wrong: z.number().int().nonnegative(),
  samples: z.number().int().positive(),
  /** Another process that listens on the same address: its id and name. */
  listener: z.string().max(256).optional(),
  /** When the samples were taken. */
  at: dateTime.optional(),
});

/** What differed from what is published, and was repaired. */
const drift = z.looseObject({
  /** For example `file-edited`, `runtime-foreign`: docs/bucket.md has the table. */
  kind: reasonWord,
  file: z.string().max(1024),
  instance: z.string().optional(),
  certificate: z.string().max(256),
  /** The first time, and the last. */
  first: dateTime,
  at: dateTime,
  count: z.number().int().positive(),
  /** Number of days (UTC) on which it was found, of the last 14. */
  days: z.number().int().positive(),
  /** Who did it, as far as known: a process, a user, a reload. */
  culprit: z.string().max(256).optional(),
});

/** Each kind of drift of each file is one; the latest are kept. */
export const MAX_DRIFTS = 100;

const fileState = z.enum(['served', 'pending', 'failed', 'needs-reload']);

/** One file in HAProxy's directory: a certificate has one, an RSA + ECDSA pair two. */
const fileStatus = z.looseObject({
  /** Its name, without the directory. */
  file: z.string(),
  /** `haproxy[].name` of the HAProxy that it is for, if the host has several. */
  instance: z.string().optional(),
  certificate: certificateName,
  /**
   * `served`: HAProxy shows and (where a bind is configured) hands out what the manifest wants;
   * `pending`: not yet; `failed`: refused, see `error`; `needs-reload`: on disk, HAProxy cannot take it at run time.
   */
  state: fileState,
  /** Since when the file is in this state. */
  since: dateTime,
  /** What the manifest wants. */
  wanted: z.looseObject({ sha256: sha256Hex, serial: z.string() }),
  /** The file as it is; absent if there is none. */
  disk: z.looseObject({ sha256: sha256Hex }).optional(),
  /** What HAProxy's `show ssl cert` says; absent if HAProxy has no such file or cannot be asked. */
  runtime: z
    .looseObject({ serial: z.string(), notAfter: z.string(), chainLength: z.number().int() })
    .optional(),
  /** Addresses of the binds on which a TLS handshake got it. */
  handshakes: z.array(z.string()).optional(),
  /** Time of the oldest of these handshakes: what was true then need not be true now. */
  provenAt: dateTime.optional(),
  /** Served, as HAProxy's description says; no handshake can show it at some address: since when, and why. */
  unproven: z.looseObject({ since: dateTime, reason: reasonWord, message }).optional(),
  /** What a client gets in its place. */
  wire: wire.optional(),
  /** Names of the certificate for which HAProxy serves another file, `by`. */
  overlaps: z.array(z.looseObject({ name: z.string(), by: z.string() })).optional(),
  /** The OCSP response that HAProxy staples. */
  staple: z.looseObject({ nextUpdate: dateTime }).optional(),
  /** Why the file is not served. */
  error: failure.optional(),
  /** The manifest names neither it nor its end: it stays served until it expires, or is withdrawn. */
  isUnlisted: z.literal(true).optional(),
  /** End of the leaf's validity; of an unlisted file. */
  notAfter: dateTime.optional(),
  /** The issuer's statement about it (receipt.ts), where the host has it; of an unlisted file. */
  receipt: z.string().max(MAX_STATEMENT).optional(),
});

/** What is true of a host as a whole, without being a failure of one file. A closed set would lock out what comes later. */
const condition = z.looseObject({
  /** For example `stale-manifest`, `frozen-manifest`, `key-unverified`: docs/bucket.md has the table. */
  condition: z.string().max(64),
  since: dateTime,
  message: failure.shape.message,
});

/** A status of 1 MiB has room for some 2,000; the agent's own copy has all. */
const MAX_FILES = 100_000;
const MAX_PROCESSES = 1000;

/** A file of ours that has left the manifest, and is not gone yet. */
const removalStatus = z.looseObject({
  file: z.string(),
  instance: z.string().optional(),
  certificate: z.string(),
  /** `needs-reload`: HAProxy holds it until its next reload, or its configuration names it: see `error`. */
  state: z.enum(['pending', 'failed', 'needs-reload']),
  since: dateTime,
  error: failure.optional(),
});

/** A PEM that the manifest names, and that the host remembers as ended by a tombstone. */
const endedEntry = z.looseObject({ certificate: certificateName, sha256: sha256Hex });

/** The first say enough: their order brings room for the next. */
export const MAX_ENDED_ENTRIES = 100;

/** Of several hundred, the first say enough. */
export const MAX_REMOVALS = 100;

const hostStatus = z.looseObject({
  version: z.literal(VERSION),
  fleet: fleetName,
  host: hostName,
  reportedAt: dateTime,
  /** The host was shut down or removed: no report is due until it comes back. */
  leftAt: dateTime.optional(),
  agent: z.looseObject({ version: z.string() }),
  /** ETag of the manifest that the agent acted on; absent if it could read none. */
  manifest: z.string().max(1024).optional(),
  /** The highest version of the contract that the agent reads; absent: 1. */
  contract: z.number().int().optional(),
  /** Head of the root that the agent acted on (root.ts): what it says counts only with the issuer's own signature over it. */
  head: z.string().max(MAX_STATEMENT).optional(),
  /** The key of which the host takes manifests, and whether anybody has confirmed it. */
  trust: z
    .looseObject({
      key: z.string().max(64),
      isConfirmed: z.boolean(),
      /** The last statement of the recovery key that the host has obeyed (key-chain.ts); absent: none. */
      recovery: z.string().max(MAX_STATEMENT).optional(),
    })
    .optional(),
  /** Absent: none. */
  conditions: listOf(condition, 100).optional(),
  haproxy: listOf(
    z.looseObject({
      /** Only on a host with several HAProxy: what `files[].instance` refers to. */
      name: z.string().optional(),
      /** Path of its stats or master socket. */
      socket: z.string(),
      /** Version and process id; absent if it does not answer. */
      version: z.string().optional(),
      pid: z.number().int().optional(),
    }),
    MAX_PROCESSES,
  ),
  files: listOf(fileStatus, MAX_FILES),
  /**
   * Number of files by state that `files` leaves out, so that a report stays below 1 MiB: served ones first. A certificate without a
   * file is served then, if `manifest` is the published one and no other state is left out.
   */
  unlisted: z.partialRecord(fileState, z.number().int().positive()).optional(),
  /** Absent: none waits. At most 100 for each HAProxy. */
  removals: listOf(removalStatus, MAX_REMOVALS * MAX_PROCESSES).optional(),
  /** What the manifest names and the host does not install, because it has ended. Absent: nothing. */
  endedEntries: listOf(endedEntry, MAX_ENDED_ENTRIES).optional(),
  /** How old the proofs of the served files may become, and how old the oldest is; how many files have none. */
  proofs: z
    .looseObject({
      spanMs: z.number().int().positive(),
      oldest: dateTime.optional(),
      unproven: z.number().int().nonnegative(),
    })
    .optional(),
  /** What was found different and repaired. Absent: nothing in the last 14 days. */
  drift: listOf(drift, MAX_DRIFTS).optional(),
  /** What keeps the whole host from working: bucket out of reach, socket missing. */
  error: failure.optional(),
});

export type Wire = z.infer<typeof wire>;
export type Drift = z.infer<typeof drift>;
export type HostCondition = z.infer<typeof condition>;
export type EndedEntry = z.infer<typeof endedEntry>;
export type RemovalStatus = z.infer<typeof removalStatus>;
export type FileStatus = z.infer<typeof fileStatus>;
export type HostStatus = z.infer<typeof hostStatus>;

/**
 * @param bounds of the agent's own copy, which has all files
 * @throws ContractError `ERR_STATUS_SCHEMA` (also for the status of another host or fleet), `ERR_STATUS_VERSION`
 */
export function parseHostStatus(
  fleet: FleetName,
  host: HostName,
  body: Buffer,
  bounds?: Partial<JsonBounds>,
): HostStatus {
  const codes = { schema: 'ERR_STATUS_SCHEMA', version: 'ERR_STATUS_VERSION', bounds } as const;
  const key = layout.status(fleet, host);
  const status = parseDocument(hostStatus, codes, key, body);
  // The key is what a host's rights are bound to: what it says of itself counts for nothing.
  if (status.host === host && status.fleet === fleet) return status;
  const says = `wanted host ${host} of fleet ${fleet}, saw ${status.host} of ${status.fleet}`;
  throw new ContractError('ERR_STATUS_SCHEMA', key, says);
}

/** A proof is renewed within one span: one that is this much older is none. */
const LATE_SPANS = 3;

/** @param ageMs of the oldest proof */
export function isProofLate(
  ageMs: number,
  { spanMs }: Pick<NonNullable<HostStatus['proofs']>, 'spanMs'>,
): boolean {
  return ageMs > LATE_SPANS * spanMs;
}

export function serializeHostStatus(document: HostStatus): string {
  return serializeDocument(document);
}

/**
 * As the bucket takes it: served files that the manifest names are left out, and then others, where the whole would be too large for its
 * readers. What the manifest does not name is known from here alone.
 */
export function serializeReport(status: HostStatus): string {
  const whole = serializeHostStatus(status);
  if (Buffer.byteLength(whole) <= MAX_STATUS_BYTES) return whole;
  const files: FileStatus[] = [];
  const unlisted: NonNullable<HostStatus['unlisted']> = {};
  let room = MAX_STATUS_BYTES - REST_BYTES - Buffer.byteLength(serializeHostStatus({ ...status, files }));
  const isKnown = (file: FileStatus) => isServed(file) && !file.isUnlisted;
  const others = status.files.filter((file) => !isKnown(file));
  for (const file of [...others, ...status.files.filter(isKnown)]) {
    room -= bytesOf(file);
    if (room >= 0 && !isKnown(file)) files.push(file);
    else unlisted[file.state] = (unlisted[file.state] ?? 0) + 1;
  }
  return serializeHostStatus({ ...status, files, unlisted });
}

/** For `unlisted`. */
const REST_BYTES = 1024;

function isServed({ state }: FileStatus): boolean {
  return state === 'served';
}

/** As an element of `files`: each of its lines is indented by four more spaces. */
function bytesOf(file: FileStatus): number {
  const text = JSON.stringify(file, null, 2);
  return Buffer.byteLength(text) + 4 * text.split('\n').length + 2;
}
