/** The table of docs/fleet-truth.md. Each row is mended at its end: what is left of it is its trace. */
import type { TruthRow } from './row.ts';
import { driftRows } from './rows-drift.ts';
import { hostRows } from './rows-host.ts';
import { issuerRows } from './rows-issuer.ts';
import { wireRows } from './rows-wire.ts';

export const truthRows: readonly TruthRow[] = [...driftRows, ...wireRows, ...hostRows, ...issuerRows];

/** A few certificates for all rows; drift of one kind is of another certificate each time. */
const CERTIFICATES = ['shop', 'api', 'mail'];

export const certificateOf = ({ name, isUnpublished }: TruthRow, index: number): string =>
  isUnpublished ? name : (CERTIFICATES[index % CERTIFICATES.length] ?? name);
