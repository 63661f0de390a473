/** What a command says of a name that nobody knows: of a certificate, or of a fleet. */
import { nearest } from '#common/nearest.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../../config/config.ts';
import { IssuerMemory } from '../../publication/ended.ts';
import { publishedFleets } from '../../publication/fleets.ts';
import { UsageError } from '../line/options.ts';

/** @param known names that are configured or published */
export function unknownNameText(name: string, known: readonly string[]): string {
  const close = nearest(name, [...new Set(known)]);
  const hint = close.length > 0 ? `; is it ${close.join(', or ')}?` : '';
  return `no certificate ${name} is known${hint}; pemfleet status shows what is`;
}

/** Configured, published, or remembered. @throws BucketError */
export async function knownFleets({
  bucket,
  config,
}: {
  bucket: Bucket;
  config: Config;
}): Promise<FleetName[]> {
  const remembered = await new IssuerMemory(bucket).fleets();
  return [...new Set([...configuredFleets(config), ...(await publishedFleets(bucket)), ...remembered])];
}

/** @throws UsageError */
export async function refuseUnknownFleet(
  where: { bucket: Bucket; config: Config },
  fleet: FleetName,
): Promise<void> {
  const known = await knownFleets(where);
  if (known.includes(fleet)) return;
  throw new UsageError(`no fleet ${fleet}; known: ${known.join(', ')}`);
}
