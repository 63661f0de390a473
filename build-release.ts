/**
 * `npm run release`: everything that people install, in dist/release/ (docs/release.md). Slow (four times 120 MB), hence not part of
 * build.ts. `--only agent`, `--arch x64` and `--forms deb,tar` build a part.
 */
import { parseArgs } from 'node:util';
import { AGENT_OPTIONS, AGENT_TAKEN_BY } from './agent/cli/command-line.ts';
import { USAGE as AGENT_USAGE } from './agent/cli/usage.ts';
import { agentJsonSchema } from './agent/config/schema.ts';
import { readSourceState } from './cdk/release/papers/provenance.ts';
import { FORMS, makeRelease, type Program } from './cdk/release/release.ts';
import { OPTIONS, TAKEN_BY } from './lambda/commands/line/options.ts';
import { USAGE } from './lambda/commands/output.ts';
import { configJsonSchema } from './lambda/config/config.ts';
import packageJson from './package.json' with { type: 'json' };
import { findDebianMirror } from './test/support/debian/debian.mjs';

const { version } = packageJson;
const jsonText = (document: object) => `${JSON.stringify(document, undefined, 2)}\n`;
const root = import.meta.dirname;

const PROGRAMS: Readonly<Record<'issuer' | 'agent', Program>> = {
  issuer: {
    name: 'pemfleet',
    entry: 'lambda/cli.ts',
    host: 'lambda/host',
    execArgv: [],
    commandLine: { program: 'pemfleet', version, usage: USAGE, options: OPTIONS, takenBy: TAKEN_BY },
    // Of both: pemfleet init writes settings of both, with the schema's path.
    schemas: {
      'pemfleet.schema.json': jsonText(configJsonSchema()),
      'agent.schema.json': jsonText(agentJsonSchema()),
    },
    files: {
      '/etc/pemfleet/pemfleet.yaml': 'The configuration.',
      '/var/lib/pemfleet': 'The bucket, if it is a directory, and state.',
    },
    summary: 'orders and renews TLS certificates for HAProxy hosts: issuer, responder, command line',
    description: [
      'Orders and renews certificates from any ACME CA, answers HTTP-01 challenges,',
      'and publishes to a directory or an S3 bucket, from which pemfleet-agent takes',
      'them on each HAProxy host, without a reload.',
    ],
  },
  agent: {
    name: 'pemfleet-agent',
    entry: 'agent/main.ts',
    host: 'agent/host',
    // For a process that sleeps: less memory of its own, at the price of some speed (`npm run bench -- poll`).
    execArgv: ['--max-semi-space-size=1', '--optimize-for-size'],
    commandLine: {
      ...{ program: 'pemfleet-agent', version, usage: AGENT_USAGE },
      ...{ options: AGENT_OPTIONS, takenBy: AGENT_TAKEN_BY },
    },
    schemas: {},
    files: {
      '/etc/pemfleet/agent.yaml': 'The settings of this host.',
      '/var/lib/pemfleet-agent': 'What the agent remembers. No keys.',
    },
    summary: "keeps HAProxy's TLS certificates in step with what pemfleet publishes",
    description: [
      'Polls the bucket that pemfleet publishes to, verifies, installs, loads and',
      'proves each certificate in a running HAProxy, without a reload.',
    ],
  },
};

function chosen<Name extends string>(text: string | undefined, known: readonly Name[], flag: string): Name[] {
  const names = text?.split(',') ?? known;
  const isKnown = (name: string): name is Name => (known as readonly string[]).includes(name);
  const unknown = names.filter((name) => !isKnown(name));
  if (unknown.length > 0) throw new Error(`${flag}: wanted ${known.join(', ')}, saw ${unknown.join(', ')}`);
  return names.filter(isKnown);
}

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { only: text, arch: text, forms: text, out: text, cache: text } });
const names = chosen(values.only, ['issuer', 'agent'], '--only');

await makeRelease({
  ...{ root, version, out: values.out ?? 'dist/release', cache: values.cache ?? '.parts/agent-runtime' },
  mirror: () => process.env['PEMFLEET_DEBIAN_MIRROR'] || findDebianMirror().uri,
  programs: names.map((name) => PROGRAMS[name]),
  archs: chosen(values.arch, ['x64', 'arm64'], '--arch'),
  forms: chosen(values.forms, FORMS, '--forms'),
  source: readSourceState(root, process.env),
  signingKey: process.env['PEMFLEET_RELEASE_KEY'],
  env: process.env,
  say: (line) => console.error(line),
});
