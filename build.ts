/** Builds dist/: one directory a program, its bundle, esbuild's metafile as meta.json and the licences of what it holds as NOTICE beside it. */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { moduleOptions, packageFolders } from './cdk/release/bundle.ts';
import { noticeText, readBundledPackage } from './cdk/release/papers/notices.ts';

const PROGRAMS = {
  issuer: 'lambda/issuer.ts',
  'issuer-commands': 'lambda/commands/remote/run-remotely.ts',
  responder: 'lambda/responder.ts',
  'agent-release': 'lambda/agent-release.ts',
  cli: 'lambda/cli.ts',
  agent: 'agent/main.ts',
  cdk: 'cdk/index.ts',
} as const;

/** What npm puts on the PATH: they say which Node is wanted, before one that is too old cannot read the program. */
const LAUNCHERS: Record<string, string> = { cli: 'pemfleet.cjs', agent: 'pemfleet-agent.cjs' };

/** No pass has a use for the commands that people send to the function: they lie beside its program, and are loaded when one comes, or for the page. */
const commandsApart: Plugin = {
  name: 'commands-apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/remote\/run-remotely\.ts$/ }, () => ({ path: './commands.mjs', external: true })),
};
/** A function has no pemfleet.yaml and no users: what reads them, and YAML's parser, is for machines. */
const LOCAL = '*/line/local.ts';

for (const [program, entry] of Object.entries(PROGRAMS)) {
  const directory = join('dist', program);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const isExecutable = program === 'cli' || program === 'agent';
  const outfile = join(directory, 'index.mjs');
  // Node prints the line of the source where an app's mistake was thrown: of the construct, one that people can read.
  const minify = program !== 'cdk';
  const options = moduleOptions(entry, outfile, isExecutable);
  const plugins = [...options.plugins, ...(program === 'issuer' ? [commandsApart] : [])];
  const external = program === 'issuer-commands' ? [...options.external, LOCAL] : options.external;
  const { metafile } = await build({ ...options, plugins, external, minify });
  // npm sets the bit when it installs a package; whoever runs a program of this folder has no npm between.
  if (isExecutable) await chmod(outfile, 0o755);
  await writeFile(join(directory, 'meta.json'), JSON.stringify(metafile));
  const packages = packageFolders(metafile).map(readBundledPackage);
  await writeFile(join(directory, 'NOTICE'), noticeText(`${outfile} of pemfleet`, packages));
  const bytes = metafile.outputs[outfile]?.bytes ?? 0;
  console.error(`built ${outfile}: ${Math.round(bytes / 1000)} kB`);
  const launcher = LAUNCHERS[program];
  if (launcher === undefined) continue;
  const text = `#!/usr/bin/env node\n${await readFile('needs-node.cjs', 'utf8')}import('./index.mjs');\n`;
  await writeFile(join(directory, launcher), text);
  await chmod(join(directory, launcher), 0o755);
}
