/** What a HAProxy can do at run time, by its version (the table in docs/agent-settings.md). */

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
/** 3.4 has a payload limit of its own (`tune.cli.max-payload-size`, 128 kB); before it, the buffer is the limit. */
const MAX_PAYLOAD_SINCE_3_4 = 131_072;

export function capabilitiesOf(version: string, bufsize: number): Capabilities {
  return {
    canAddCertificates: isAtLeast(version, 2, 2),
    maxCommandBytes: isAtLeast(version, 3, 4) ? Math.max(MAX_PAYLOAD_SINCE_3_4, bufsize - 1) : bufsize - 1,
    pace: isAtLeast(version, 3, 0) ? 0 : PACE_BEFORE_3_0,
  };
}

/** Bytes of a `set ssl cert` command: prefix, verb, `<<` and line feeds are 45 of them. */
export function commandBytes(pemBytes: number, filename: string): number {
  return pemBytes + Buffer.byteLength(filename) + 45;
}

function isAtLeast(version: string, major: number, minor: number): boolean {
  const [seenMajor = 0, seenMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return seenMajor > major || (seenMajor === major && seenMinor >= minor);
}
