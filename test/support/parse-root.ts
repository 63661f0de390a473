/** A whole manifest in one document, as tests publish it. */
import { ContractError } from '#contract/errors.ts';
import type { JsonBounds } from '#contract/json.ts';
import { type FleetName, layout } from '#contract/layout.ts';
import { parseRootParts, type ReadRoot } from '#contract/root.ts';

/** @throws ContractError as parseRootParts(); `ERR_MANIFEST_REQUIRES` also for a root with shards */
export function parseRoot(fleet: FleetName, bytes: Buffer, bounds?: Partial<JsonBounds>): ReadRoot {
  const { shards, ...read } = parseRootParts(fleet, bytes, bounds);
  if (shards === undefined) return read;
  throw new ContractError('ERR_MANIFEST_REQUIRES', layout.root(fleet), 'has shards');
}
