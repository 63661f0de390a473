/** Where this package lies: its dist/ holds the built programs, its cdk/host/ the files that go to a host. */
import { fileURLToPath } from 'node:url';

/** This file and its bundle (dist/cdk/index.mjs) lie equally deep below the package, so that both find it. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../', import.meta.url));
