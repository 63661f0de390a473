// A browser without a window, with what it opens beside its libraries: resources, NSS's modules, and two typefaces of its own, so that a
// picture is the same on each machine. Plain JavaScript, as debian.mjs.

import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { relocate } from './debian.mjs';

const HOME = 'usr/lib/chromium';
const PROGRAM = 'chromium-headless-shell';
/** Opened by name when a page wants TLS or a random number: no list shows them. */
const NSS_MODULES = /^lib(softokn3|freebl3|freeblpriv3|nssckbi|nssdbm3)\.(so|chk)$/;
/** Vulkan and GL, which nobody has in a test. */
const NOT_NEEDED = /^lib.*\.(so|TOC)|crashpad|^chrome_200/;

export const FONT_PACKAGES = ['fonts-inter', 'fonts-dejavu-core'];

const FONT_CONFIG = (place) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${place}/fonts</dir>
  <cachedir>${place}/font-cache</cachedir>
  ${['system-ui', 'sans-serif', 'serif'].map((name) => alias(name, 'Inter')).join('\n  ')}
  ${['monospace', 'ui-monospace'].map((name) => alias(name, 'DejaVu Sans Mono')).join('\n  ')}
</fontconfig>
`;
const alias = (family, taken) =>
  `<alias binding="same"><family>${family}</family><prefer><family>${taken}</family></prefer></alias>`;

/** Leaves `into`/bin/chromium, a script that names the configuration of the typefaces. */
export async function buildChromium(tree, into, place) {
  const libraryDirs = tree.libraryDirs.flatMap((dir) => [dir, join(dir, 'nss'), join(dir, 'pulseaudio')]);
  await relocate({ ...tree, libraryDirs }, `${HOME}/${PROGRAM}`, into, place);
  const home = join(tree.root, HOME);
  for (const file of readdirSync(home)) {
    if (file === PROGRAM || NOT_NEEDED.test(file)) continue;
    cpSync(join(home, file), join(into, 'bin', file), { recursive: true });
  }
  for (const dir of libraryDirs.filter((one) => existsSync(one))) {
    for (const file of readdirSync(dir)) {
      if (NSS_MODULES.test(file)) copyFileSync(join(dir, file), join(into, 'lib', file));
    }
  }
  mkdirSync(join(into, 'fonts'));
  for (const font of fontsBelow(join(tree.root, 'usr/share/fonts'))) {
    copyFileSync(font, join(into, 'fonts', basename(font)));
  }
  writeFileSync(join(into, 'fonts.conf'), FONT_CONFIG(place));
  const script = join(into, 'bin/chromium');
  // A library that names its own folder (libpulse) does not ask the program's header.
  const variables = `LD_LIBRARY_PATH=${place}/lib FONTCONFIG_FILE=${place}/fonts.conf`;
  writeFileSync(script, `#!/bin/sh\n${variables} exec ${place}/bin/${PROGRAM} "$@"\n`);
  chmodSync(script, 0o755);
}

const TYPEFACES =
  /^(Inter(-(Regular|Medium|SemiBold|Bold|Italic))?\.(otf|ttf|ttc)|Inter\.var.*|DejaVuSans(Mono)?(-Bold)?\.ttf)$/;

function fontsBelow(dir) {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => TYPEFACES.test(basename(file)))
    .map((file) => join(dir, file));
}
