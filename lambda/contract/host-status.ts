/**
 * What one host says of itself: wanted, on disk, and **what HAProxy serves**. The issuer reads it, so that
 * "renewed but not served" cannot stay hidden.
 */
import * as z from 'zod';
import { parseDocument, serializeDocument, VERSION } from './document.ts';
import {
  certificateName,
  type FleetName,
  fleetName,
  type HostName,
  hostName,
  layout,
  sha256Hex,
} from './layout.ts';

const instant = z.iso.datetime();

/** One file in HAProxy's directory: a certificate has one, an RSA + ECDSA pair two. */
const fileStatus = z.looseObject({
  file: z.string(),
  /** Of several HAProxy on the host, the one that it is for. */
  instance: z.string().optional(),
  certificate: certificateName,
  /**
   * `served`: HAProxy shows and (where a bind is configured) hands out what the manifest wants;
   * `pending`: not yet; `failed`: refused, see `error`; `needs-reload`: on disk, HAProxy cannot take it at run time.
   */
  state: z.enum(['served', 'pending', 'failed', 'needs-reload']),
  /** Since when the file is in this state. */
  since: instant,
  wanted: z.looseObject({ sha256: sha256Hex, serial: z.string() }),
  disk: z.looseObject({ sha256: sha256Hex }).optional(),
  /** As HAProxy's `show ssl cert` says it. */
  runtime: z
    .looseObject({ serial: z.string(), notAfter: z.string(), chainLength: z.number().int() })
    .optional(),
  /** Addresses on which a TLS handshake proved it. */
  handshakes: z.array(z.string()).optional(),
  /** Names of it for which another file, `by`, is handed out. */
  overlaps: z.array(z.looseObject({ name: z.string(), by: z.string() })).optional(),
  /** The OCSP response that HAProxy sends along. */
  staple: z.looseObject({ nextUpdate: instant }).optional(),
  error: z.looseObject({ code: z.string(), message: z.string() }).optional(),
});

const hostStatus = z.looseObject({
  version: z.literal(VERSION),
  fleet: fleetName,
  host: hostName,
  reportedAt: instant,
  /** It was shut down or taken away: no report is expected until it comes back. */
  leftAt: instant.optional(),
  agent: z.looseObject({ version: z.string() }),
  /** ETag of the manifest that was acted on; absent if none could be read. */
  manifest: z.string().optional(),
  haproxy: z.array(
    // `name`: of several on this host; `files[].instance` is the same.
    z.looseObject({
      name: z.string().optional(),
      socket: z.string(),
      version: z.string().optional(),
      pid: z.number().int().optional(),
    }),
  ),
  files: z.array(fileStatus),
  /** What hinders the whole host: bucket out of reach, socket missing. */
  error: z.looseObject({ code: z.string(), message: z.string() }).optional(),
});

export type FileStatus = z.infer<typeof fileStatus>;
export type HostStatus = z.infer<typeof hostStatus>;

/** @throws ContractError `ERR_STATUS_SCHEMA`, `ERR_STATUS_VERSION` */
export function parseHostStatus(fleet: FleetName, host: HostName, body: Buffer): HostStatus {
  const codes = { schema: 'ERR_STATUS_SCHEMA', version: 'ERR_STATUS_VERSION' } as const;
  return parseDocument(hostStatus, codes, layout.status(fleet, host), body);
}

export function serializeHostStatus(document: HostStatus): string {
  return serializeDocument(document);
}
