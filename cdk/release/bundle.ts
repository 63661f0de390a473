/** How esbuild makes one file of a program, for `npm run build` and for the executables of a release alike. */
import type { BuildOptions, Metafile, Plugin } from 'esbuild';

/**
 * acme-client signs for us, but opens no connection, writes no log and makes no CSR: its own `./axios` and `./logger` (which pull in axios,
 * form-data and debug) and the library of its certificates stay out of the bundle, and a call of the former is a bug that says so.
 */
const ABSENT: Record<string, string> = {
  '@peculiar/x509': 'module.exports = { cryptoProvider: { set() {} } };',
  './axios': "module.exports = { request() { throw new TypeError('see lambda/acme/transport.ts'); } };",
  './logger': 'module.exports = { log() {}, setLogger() {} };',
};

const slim: Plugin = {
  name: 'slim',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(\.\/(axios|logger)|@peculiar\/x509)$/ }, ({ path, importer }) =>
      importer.includes('/acme-client/') ? { path, namespace: 'absent' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({ contents: ABSENT[path] ?? '' }));
  },
};

/** Whoever deploys has these, and his constructs must be of the same classes as ours. */
const EXTERNAL = ['aws-cdk-lib', 'aws-cdk-lib/*', 'constructs'];

const COMMON = {
  bundle: true,
  minify: true,
  keepNames: false,
  platform: 'node',
  mainFields: ['module', 'main'],
  metafile: true,
  // What the licences ask for stands in the NOTICE beside the bundle.
  legalComments: 'none',
  // The SDK is in the bundle: which Node its later versions want is no news for whoever runs this one.
  define: { 'process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED': '"true"' },
  plugins: [slim],
} as const satisfies BuildOptions;

/** CommonJS packages inside an ES module need a require; the long name cannot meet a minified one. */
const REQUIRE =
  "import{createRequire as pemfleetCreateRequire}from'node:module';const require=pemfleetCreateRequire(import.meta.url);";

/** Options for a program that a Node 20 of the machine runs, or newer. */
export function moduleOptions(entry: string, outfile: string, isExecutable: boolean) {
  const shebang = isExecutable ? '#!/usr/bin/env node\n' : '';
  const banner = { js: `${shebang}${REQUIRE}` };
  return {
    ...COMMON,
    ...{ entryPoints: [entry], outfile, banner, target: 'node20', format: 'esm', external: EXTERNAL },
  } satisfies BuildOptions;
}

/** Options for a program that goes into an executable, which takes CommonJS only. */
export function executableOptions(entry: string, outfile: string) {
  return {
    ...COMMON,
    ...{ entryPoints: [entry], outfile, target: 'node24', format: 'cjs' },
  } satisfies BuildOptions;
}

/** @returns folders of the packages that have code in the bundle */
export function packageFolders({ outputs }: Metafile): string[] {
  const inputs = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const folders = inputs.flatMap(([path, { bytesInOutput }]) => {
    const folder = /^.*\/?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];
    return folder === undefined || bytesInOutput === 0 ? [] : [folder];
  });
  return [...new Set(folders)].sort();
}
