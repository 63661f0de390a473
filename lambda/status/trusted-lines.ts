/** Of certificates that browsers trust and that are not replaced, because the configuration names a staging environment. */
import { BucketError, ContractError } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets, specsOfFleet } from '../config/config.ts';
import { type OwnKeys, readManifest } from '../publication/read-manifest.ts';
import { isStaging, stagingProblem } from '../trusted/in-force.ts';
import type { StatusLine } from './status-line.ts';

export interface TrustedRequest {
  bucket: Bucket;
  config: Config;
  keys: OwnKeys;
  /** This fleet only. */
  only?: FleetName | undefined;
  /** PEM; default: those that Node.js has of Mozilla. */
  trustedRoots?: readonly string[] | undefined;
  now: Date;
}

/** Without a staging environment in the configuration, nothing is read. */
export async function trustedLines(request: TrustedRequest): Promise<StatusLine[]> {
  const { config, only } = request;
  if (!isStaging(config.acme.directoryUrl)) return [];
  const fleets = configuredFleets(config).filter((fleet) => only === undefined || fleet === only);
  const lines = await Promise.all(fleets.map((fleet) => linesOf(request, fleet)));
  return lines.flat();
}

async function linesOf(request: TrustedRequest, fleet: FleetName): Promise<StatusLine[]> {
  const { bucket, config, keys, now } = request;
  const read = await readManifest(bucket, fleet, keys).catch((error: unknown) => {
    // The fleet's own line says so.
    if (error instanceof BucketError || error instanceof ContractError) return undefined;
    throw error;
  });
  const source = { ...request, timing: { now: () => now }, options: {} };
  const lines: StatusLine[] = [];
  for (const spec of specsOfFleet(config.certificates, fleet)) {
    const inForce = { spec, published: read?.manifest.certificates[spec.name] };
    const problem = await stagingProblem(source, inForce, config.acme.directoryUrl);
    if (problem === undefined) continue;
    const text = `${spec.name}: not renewed: ${problem.code} ${problem.message}`;
    lines.push({ level: 'wrong', code: 'trusted-in-force', fleet, certificate: spec.name, text });
  }
  return lines;
}
