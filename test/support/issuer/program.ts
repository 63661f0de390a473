// `pemfleet` as one bundle, which starts sooner than through tsx.
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { makeTempDir } from '../temp-dir.ts';

/** @returns the path of the program */
export function issuerProgram(): string {
  const outdir = makeTempDir().path;
  const banner = "import{createRequire as r}from'node:module';const require=r(import.meta.url);";
  buildSync({
    ...{ entryPoints: ['lambda/cli.ts'], outdir, bundle: true, platform: 'node', target: 'node20' },
    ...{
      format: 'esm',
      splitting: true,
      outExtension: { '.js': '.mjs' },
      external: ['@aws-sdk/*', '@aws-lambda-powertools/*'],
      banner: { js: banner },
    },
  });
  return join(outdir, 'cli.mjs');
}
