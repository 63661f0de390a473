/** Of certificates that are not renewed: browsers trust what is in force, and nothing that the configured CAs issue. */
import { BucketError } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../config/config.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { readPublishedCertificates } from '../replacement/published.ts';
import { readRefusals, refusedEverywhere } from '../trusted/read-refusals.ts';
import type { StatusLine } from './status-line.ts';

export interface TrustedRequest {
  bucket: Bucket;
  config: Config;
  keys: OwnKeys;
  memory?: IssuerMemory | undefined;
  /** This fleet only. */
  only?: FleetName | undefined;
  /** PEM; default: those that Node.js has of Mozilla. */
  trustedRoots?: readonly string[] | undefined;
  now: Date;
}

/** What cannot be read has a line of its own. */
export async function trustedLines(request: TrustedRequest): Promise<StatusLine[]> {
  try {
    return await readLines(request);
  } catch (error) {
    if (error instanceof BucketError) return [];
    throw error;
  }
}

async function readLines(request: TrustedRequest): Promise<StatusLine[]> {
  const { config, keys, only } = request;
  const { certificates } = await readPublishedCertificates(request, keys);
  const refused = refusedEverywhere(config, await readRefusals({ ...request, certificates }));
  return certificates.flatMap(({ spec: { name, fleets } }) => {
    const problem = refused.get(name);
    if (problem === undefined) return [];
    const text = `${name}: not renewed: ${problem.code} ${problem.message}`;
    const meant = fleets.filter((fleet) => only === undefined || fleet === only);
    return meant.map(
      (fleet): StatusLine => ({
        ...{ level: 'wrong', code: 'trusted-in-force', fleet, certificate: name, text },
      }),
    );
  });
}
