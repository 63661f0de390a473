/** What test/parts tries with one version of HAProxy, with the others. */
import { testOtherVersions } from '../../support/parts/versions.ts';

await testOtherVersions(
  'agent/names/traps',
  'agent/names/overlap',
  'agent/handshakes/binds',
  'agent/crt-list/crt-file',
  'agent/crt-list/crt-list',
);
