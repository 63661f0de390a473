/**
 * Remakes the programs of a former release: `npx tsx test/support/released/make.ts [COMMIT]`, in a clone
 * that has this commit, with its packages installed. README.md says what they are for.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { makeTempDir } from '../temp-dir.ts';
import { RELEASED, type ReleasedName, releasedFile } from './released.ts';

const [commit = RELEASED.commit] = process.argv.slice(2);

/** acme-client's own HTTP and log, as that release left them out; and the AWS SDK, whose first use is an error. */
const withoutClients: Plugin = {
  name: 'without-clients',
  setup({ onResolve, onLoad }) {
    onResolve(
      { filter: /^(\.\/(axios|logger)|@aws-sdk\/.*|@smithy\/.*|@aws-crypto\/.*)$/ },
      ({ path, importer }) => {
        const isAbsent = !path.startsWith('./') || importer.includes('/acme-client/');
        return isAbsent ? { path, namespace: 'absent' } : undefined;
      },
    );
    const contents = 'module.exports = { log() {}, setLogger() {} };';
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents }));
  },
};

/** As that release's build.ts bundles. */
const OPTIONS: BuildOptions = {
  ...{ bundle: true, minify: true, platform: 'node', target: 'node20', format: 'esm', legalComments: 'none' },
  mainFields: ['module', 'main'],
  plugins: [withoutClients],
  alias: { 'reflect-metadata': 'reflect-metadata/lite' },
  banner: {
    js: "import{createRequire as pemfleetCreateRequire}from'node:module';const require=pemfleetCreateRequire(import.meta.url);",
  },
};

const place = makeTempDir();
const archive = join(place.path, 'source.tar');
execFileSync('git', ['archive', '--output', archive, commit, 'agent', 'lambda', 'package.json']);
execFileSync('tar', ['-xf', archive, '-C', place.path]);
symlinkSync(resolve('node_modules'), join(place.path, 'node_modules'));
for (const name of Object.keys(RELEASED.entries) as ReleasedName[]) {
  const outfile = join(place.path, `${name}.mjs`);
  const entry = join(place.path, RELEASED.entries[name]);
  await build({ ...OPTIONS, absWorkingDir: place.path, entryPoints: [entry], outfile });
  const bytes = readFileSync(outfile);
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const compressed = brotliCompressSync(bytes, { params });
  const file = releasedFile(name, commit);
  writeFileSync(file, compressed);
  process.stdout.write(`${file}: ${compressed.length} bytes of ${bytes.length}\n`);
}
place.remove();
