/** Merges what an older issuer has published while this one was away, before anything is decided: nothing is ordered twice. */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { SignedManifest } from '#contract/root.ts';
import { currentPem } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import type { PublishedFleets } from '../publication/publisher.ts';
import type { ReadManifest } from '../publication/read-manifest.ts';
import { judgeOldIssuer, type MergedEntry } from '../upgrade/old-issuer.ts';
import { othersWork, type Version1Survey } from './version-1.ts';

interface Published extends PublishedFleets {
  memory: IssuerMemory;
  version1: Version1Survey;
}

/**
 * A store that fails here stops no renewal: what could not be judged stays where it is until the next pass.
 * @param readAgain what the merge has changed
 */
export async function mergeOldIssuer<S extends Published>(
  pass: Pass,
  survey: S,
  readAgain: () => Promise<S>,
): Promise<S> {
  const { version1, memory, manifests } = survey;
  const roots = new Map([...manifests].flatMap(([fleet, read]) => rootOf(fleet, read)));
  const fleets = othersWork(version1).filter((fleet) => !isInherited(manifests.get(fleet)));
  if (fleets.length === 0) return survey;
  const written = new Map(fleets.flatMap((fleet) => manifestOf(fleet, survey)));
  try {
    const { merged, refused } = await judgeOldIssuer(pass, { roots, version1: written, memory });
    if (!pass.options.dryRun) for (const one of merged) await publish(pass, survey, one);
    for (const fleet of fleets) {
      const here = refused.filter((one) => one.fleet === fleet);
      version1.judge(fleet, new Map(here.map(({ name, reason }) => [name, reason])));
    }
    if (merged.length === 0) return survey;
    if (pass.options.dryRun) return withEntries(survey, merged);
    for (const fleet of fleets) await version1.align(fleet, survey.publishers.get(fleet)?.latest);
    return await readAgain();
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    for (const fleet of fleets) {
      pass.log('version-1.failed', { fleet, code: codeOf(error), error: messageOf(error) });
    }
    return survey;
  }
}

function rootOf(fleet: FleetName, read: ReadManifest | undefined): [FleetName, SignedManifest][] {
  return read?.manifest.version === 2 ? [[fleet, read.manifest as SignedManifest]] : [];
}

/** The first manifest of the fleet is what stands there. */
function isInherited(read: ReadManifest | undefined): boolean {
  return read?.manifest.version === 1;
}

function manifestOf(fleet: FleetName, { version1 }: Published): [FleetName, Manifest][] {
  const { manifest } = version1.current.get(fleet) ?? {};
  return manifest === undefined ? [] : [[fleet, manifest]];
}

async function publish(
  { log }: Pass,
  { publishers }: Published,
  { fleet, name, entry, texts }: MergedEntry,
): Promise<void> {
  const result = await publishers.get(fleet)?.publish(name, entry, texts, { action: 'merged' });
  if (result === 'published') log('manifest.merged', { fleet, certificate: name, ...currentPem(entry) });
}

/** A dry run: as if they were published. */
function withEntries<S extends Published>(survey: S, merged: readonly MergedEntry[]): S {
  const manifests = new Map(survey.manifests);
  for (const { fleet, name, entry } of merged) {
    const read = manifests.get(fleet);
    if (read === undefined) continue;
    const certificates = { ...read.manifest.certificates, [name]: entry };
    manifests.set(fleet, { ...read, manifest: { ...read.manifest, certificates } });
  }
  return { ...survey, manifests };
}
