/** What test/parts tries with one version of HAProxy, with the others. */
import { testOtherVersions } from '../../support/parts/versions.ts';

await testOtherVersions(
  'agent/pass/traps-lock',
  'agent/pass/removal',
  'agent/instances/instances',
  'agent/reload/fallback',
  'agent/reload/reload',
  'agent/reload/master',
);
