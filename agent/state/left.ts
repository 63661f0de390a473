/** What a pass has left on a host, and what was different from it later: the state keeps both between passes. */
import * as z from 'zod';
import { sha256Hex } from '#contract/layout.ts';

const instant = z.iso.datetime();

/** One file, after a pass that was right with it. Absent: nothing is known, and no difference is drift. */
export const leftFile = z.looseObject({
  /** Of the PEM on disk. */
  sha256: sha256Hex,
  /** Of the OCSP response beside it. */
  staple: sha256Hex.optional(),
  /** Its lines in the crt-list file, without its name. */
  lines: z.array(z.string()).optional(),
  /** HAProxy served it. */
  isServed: z.literal(true).optional(),
});

/** The host, after the last pass. */
export const leftHost = z.looseObject({
  /** Digest of the settings that say where files and HAProxy are: with others, nothing is comparable. */
  settings: sha256Hex,
  /** Of HAProxy's worker. */
  pid: z.number().int().optional(),
});

export const driftRecord = z.looseObject({
  kind: z.string(),
  file: z.string(),
  certificate: z.string(),
  first: instant,
  at: instant,
  count: z.number().int().positive(),
  /** Days (UTC) on which it was found, such as `2026-11-27`. */
  dates: z.array(z.iso.date()),
  culprit: z.string().optional(),
});

export type LeftFile = z.infer<typeof leftFile>;
export type LeftSettings = z.infer<typeof leftHost>;
export type DriftRecord = z.infer<typeof driftRecord>;
