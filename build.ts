/** Builds dist/: one directory a program, its bundle and esbuild's metafile as meta.json beside it. */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const PROGRAMS = {
  issuer: 'lambda/issuer.ts',
  responder: 'lambda/responder.ts',
  'agent-release': 'lambda/agent-release.ts',
  cli: 'lambda/cli.ts',
  agent: 'agent/main.ts',
  cdk: 'cdk/index.ts',
} as const;

/**
 * acme-client signs for us, but opens no connection and writes no log: its own `./axios` and `./logger` (which
 * pull in axios, form-data and debug) stay out of the bundle, and a call of the former is a bug that says so.
 */
const ABSENT: Record<string, string> = {
  './axios': "module.exports = { request() { throw new TypeError('see lambda/acme/transport.ts'); } };",
  './logger': 'module.exports = { log() {}, setLogger() {} };',
};

/**
 * Of PKCS #12, of PKCS #7 (CMS) and of attribute certificates the ASN.1 library wants the names, in fields that no CSR, certificate or
 * OCSP response of ours has.
 */
const UNUSED_SCHEMAS: Record<string, string> = {
  '@peculiar/asn1-pfx': 'export class PFX {}',
  '@peculiar/asn1-cms':
    "export class ContentInfo {} export class SignedData {} export class SignerInfo {} export class Attribute {} export const id_data = '1.2.840.113549.1.7.1', id_signedData = '1.2.840.113549.1.7.2';",
  '@peculiar/asn1-x509-attr': "export class AttributeCertificate {} export const id_at = '2.5.4';",
};

const slim: Plugin = {
  name: 'slim',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/(axios|logger)$/ }, ({ path, importer }) =>
      importer.includes('/acme-client/') ? { path, namespace: 'absent' } : undefined,
    );
    onResolve({ filter: /^@peculiar\/asn1-(pfx|cms|x509-attr)$/ }, ({ path }) => ({
      path,
      namespace: 'absent',
    }));
    onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({
      contents: ABSENT[path] ?? UNUSED_SCHEMAS[path] ?? '',
    }));
  },
};

/** Whoever deploys has these, and his constructs must be of the same classes as ours. */
const EXTERNAL = ['aws-cdk-lib', 'aws-cdk-lib/*', 'constructs'];

/** What npm puts on the PATH: they say which Node is wanted, before one that is too old cannot read the program. */
const LAUNCHERS: Record<string, string> = { cli: 'pemfleet.cjs', agent: 'pemfleet-agent.cjs' };

const OPTIONS: BuildOptions = {
  bundle: true,
  minify: true,
  keepNames: false,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  mainFields: ['module', 'main'],
  metafile: true,
  legalComments: 'none',
  // The SDK is in the bundle: which Node its later versions want is no news for whoever runs this one.
  define: { 'process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED': '"true"' },
  plugins: [slim],
  external: EXTERNAL,
  // The same without stand-ins for Map, Set and WeakMap, which Node has.
  alias: { 'reflect-metadata': 'reflect-metadata/lite' },
  // CommonJS packages inside an ES module need a require; the long name cannot meet a minified one.
  banner: {
    js: "import{createRequire as pemfleetCreateRequire}from'node:module';const require=pemfleetCreateRequire(import.meta.url);",
  },
};

for (const [program, entry] of Object.entries(PROGRAMS)) {
  const directory = join('dist', program);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const shebang = program === 'cli' || program === 'agent' ? '#!/usr/bin/env node\n' : '';
  const outfile = join(directory, 'index.mjs');
  const banner = { js: `${shebang}${OPTIONS.banner?.['js']}` };
  // Node prints the line of the source where an app's mistake was thrown: of the construct, one that people can read.
  const minify = program !== 'cdk';
  const result = await build({ ...OPTIONS, minify, banner, entryPoints: [entry], outfile });
  await writeFile(join(directory, 'meta.json'), JSON.stringify(result.metafile));
  const bytes = result.metafile?.outputs[outfile]?.bytes ?? 0;
  console.error(`built ${outfile}: ${Math.round(bytes / 1000)} kB`);
  const launcher = LAUNCHERS[program];
  if (launcher === undefined) continue;
  const text = `#!/usr/bin/env node\n${await readFile('needs-node.cjs', 'utf8')}import('./index.mjs');\n`;
  await writeFile(join(directory, launcher), text);
  await chmod(join(directory, launcher), 0o755);
}
