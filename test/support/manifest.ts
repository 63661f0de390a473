// Manifests by plain strings: the contract's own schemas parse the names.
import { certificateName } from '#contract/layout.ts';
import type { Manifest, ManifestEntry } from '#contract/manifest.ts';

/** A manifest's certificates. Their names are right; what the entries say may be wrong on purpose. */
export function certificatesOf(entries: Record<string, object>): Manifest['certificates'] {
  return Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [certificateName.parse(name), entry as ManifestEntry]),
  );
}
