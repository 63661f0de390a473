/** What a HAProxy can do at run time, by its version (the table in docs/agent-settings.md). */
import { isAtLeast } from './version.ts';

export interface Capabilities {
  /** `new ssl cert`, `add ssl crt-list`: since 2.2. */
  canAddCertificates: boolean;
  /** Longest command line, with its payload. */
  maxCommandBytes: number;
  /** Updates a second that visitors do not notice; 0: no limit. */
  pace: number;
}

/** An eighth of a processor at 2.5 ms an update (OpenSSL 3.0); docs/agent-settings.md, "Pace". */
const PACE_BEFORE_3_0 = 50;
/** `tune.bufsize` unless configured. */
const BUFFER_BYTES = 16_384;
/**
 * 3.4 has a payload limit of its own (`tune.cli.max-payload-size`, 128 kB); before it, the buffer is the limit. The
 * largest that `fillUp` makes within it: 3.4.7 hangs on 130,960 bytes.
 */
const MAX_COMMAND_SINCE_3_4 = 7.5 * BUFFER_BYTES;

export function capabilitiesOf(version: string, bufsize: number): Capabilities {
  return {
    canAddCertificates: isAtLeast(version, 2, 2),
    maxCommandBytes: isAtLeast(version, 3, 4) ? Math.max(MAX_COMMAND_SINCE_3_4, bufsize - 1) : bufsize - 1,
    pace: isAtLeast(version, 3, 0) ? 0 : PACE_BEFORE_3_0,
  };
}

/** See lock.ts. */
export const breaksLock = (version: string): boolean => isAtLeast(version, 3, 4);

/** Bytes of a `set ssl cert` command: prefix, verb, `<<` and line feeds are 45 of them. */
export function commandBytes(pemBytes: number, filename: string): number {
  return pemBytes + Buffer.byteLength(filename) + 45;
}

/** Whether a command fits into one buffer of any size that is usual. */
export const fitsOneBuffer = (bytes: number): boolean => bytes < BUFFER_BYTES;

const FILLER = `${'#'.repeat(64)}\n`;

/**
 * HAProxy 3.4.7 hangs on a command whose end falls on the seam of two of its buffers, or reads a wrong end (measured:
 * 16,384, 16,386, some 32,730 to 32,770, 65,500 to 65,543 bytes). So a longer command ends in the middle of a buffer.
 * @returns the PEM, after as many lines of `#` as it takes; HAProxy skips what stands before a PEM block
 */
export function fillUp(pem: string, filename: string, maxBytes: number): string {
  const bytes = commandBytes(Buffer.byteLength(pem), filename);
  const half = BUFFER_BYTES / 2;
  const filled = Math.ceil((bytes - half) / BUFFER_BYTES) * BUFFER_BYTES + half;
  if (fitsOneBuffer(bytes) || filled > maxBytes) return pem;
  return `${FILLER.repeat(Math.floor((filled - bytes) / FILLER.length))}${pem}`;
}
