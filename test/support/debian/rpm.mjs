// rpm and rpmbuild of Debian, which read their macros beside themselves: for the packages of a release, and for tests that look into them.
// Plain JavaScript, as debian.mjs.

import { cpSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { relocate } from './debian.mjs';

const PROGRAMS = ['rpm', 'rpmbuild', 'rpm2archive'];

/** Leaves `into`/bin/rpm, rpmbuild and rpm2archive; each is a script that names the folder of the macros. */
export async function buildRpm(tree, into, place) {
  for (const program of PROGRAMS) await relocate(tree, `usr/bin/${program}`, into, place);
  cpSync(join(tree.root, 'usr/lib/rpm'), join(into, 'share'), { recursive: true, verbatimSymlinks: true });
  for (const program of PROGRAMS) {
    renameSync(join(into, 'bin', program), join(into, 'lib', program));
    const lines = [
      '#!/bin/sh',
      `RPM_CONFIGDIR=${join(place, 'share')} exec ${join(place, 'lib', program)} "$@"`,
    ];
    writeFileSync(join(into, 'bin', program), `${lines.join('\n')}\n`, { mode: 0o755 });
  }
}
