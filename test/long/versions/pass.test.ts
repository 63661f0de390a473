/** What test/parts tries with one version of HAProxy, with the others. */
import { testOtherVersions } from '../../support/parts/versions.ts';

await testOtherVersions('agent/pass/never-dark', 'agent/pass/traps', 'agent/pass/ocsp', 'agent/pass/refused');
