/** What test/parts tries with one version of HAProxy, with the others. */
import { testOtherVersions } from '../../support/parts/versions.ts';

await testOtherVersions(
  'agent/doctor/doctor',
  'agent/doctor/crt-list',
  'agent/crt-list/limits',
  'agent/crt-list/unaccepted-line',
);
