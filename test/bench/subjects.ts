// Who is compared, each started by the command that its users would type. One account each, ECDSA P-256 keys.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { fetchPeer } from './peers.mjs';
import type { BenchStage } from './stage.ts';

export interface Call {
  command: string[];
  env?: Record<string, string>;
  /** how many of its certificates were issued, of a call that ended with this status */
  issued(status: number | null, stdout: string): number;
}

/** What a subject runs to get certificates for these names; called for a warm-up first. */
export type Plan = (names: readonly string[]) => Call[];

export interface Subject {
  name: string;
  isSlow: boolean;
  open(stage: BenchStage, say: (line: string) => void): Promise<{ version: string; plan: Plan }>;
}

const cli = fileURLToPath(new URL('../../dist/cli/index.mjs', import.meta.url));
const whole = (status: number | null) => (status === 0 ? 1 : 0);

/** @param isOneByOne a process for each certificate, as a cron job a name would */
const pemfleet = (name: string, concurrency: number, isOneByOne = false): Subject => ({
  ...{ name, isSlow: isOneByOne },
  open: async ({ ca, makeDir, answerFrom }) => {
    const dir = makeDir(name.replaceAll(/\W+/g, '-'));
    const bucketDir = join(dir, 'bucket');
    const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
    // No responder is needed: the web server looks into the bucket, as into a peer's webroot.
    answerFrom(join(bucketDir, 'challenge'));
    let calls = 0;
    const call = (names: readonly string[]): Call => {
      const file = join(dir, `${calls++}.yaml`);
      const certificates = names.map((identifier) => ({ identifiers: [identifier] }));
      writeFileSync(file, stringify({ bucket: `file://${bucketDir}`, acme, concurrency, certificates }));
      const command = [process.execPath, cli, 'run', '--config', file, '--quiet', '--json'];
      const issued = (_: number | null, stdout: string) => countIssued(stdout);
      return { command, issued };
    };
    const plan: Plan = (names) => (isOneByOne ? names.map((one) => call([one])) : [call(names)]);
    return { version: 'this checkout', plan };
  },
});

function countIssued(stdout: string): number {
  try {
    const { outcomes } = JSON.parse(stdout) as { outcomes: { result: string }[] };
    return outcomes.filter(({ result }) => result === 'issued').length;
  } catch {
    return 0;
  }
}

type PeerCall = (
  stage: BenchStage,
  dir: string,
  name: string,
) => { args: string[]; env?: Record<string, string> };

const peer = (
  name: string,
  callFor: PeerCall,
  prepare?: (stage: BenchStage, dir: string) => void,
): Subject => ({
  ...{ name, isSlow: true },
  open: async (stage, say) => {
    const { command, version } = await fetchPeer(name, say);
    const dir = stage.makeDir(name);
    prepare?.(stage, dir);
    const plan: Plan = (names) =>
      names.map((one) => {
        const { args, env = {} } = callFor(stage, dir, one);
        return { command: [...command, ...args], env, issued: whole };
      });
    return { version, plan };
  },
});

const lego = peer('lego', ({ ca, webroot }, dir, name) => ({
  args: [
    ...['--server', ca.directoryUrl, '--accept-tos', '--email', 'a@example.com', '--path', dir],
    ...['--domains', name, '--http', '--http.webroot', webroot, 'run'],
  ],
  env: { LEGO_CA_CERTIFICATES: ca.caFile },
}));

const certbot = peer('certbot', ({ ca, webroot }, dir, name) => ({
  args: [
    ...['certonly', '-n', '--server', ca.directoryUrl, '--agree-tos', '-m', 'a@example.com'],
    ...['--webroot', '-w', webroot, '-d', name],
    ...['--config-dir', join(dir, 'c'), '--work-dir', join(dir, 'w'), '--logs-dir', join(dir, 'l')],
  ],
  env: { REQUESTS_CA_BUNDLE: ca.caFile },
}));

const dehydrated = peer(
  'dehydrated',
  (_stage, dir, name) => ({ args: ['-f', join(dir, 'config'), '--accept-terms', '-c', '-d', name] }),
  ({ ca, challengeDir }, dir) => {
    const settings = {
      ...{ CA: ca.directoryUrl, WELLKNOWN: challengeDir, BASEDIR: dir, KEY_ALGO: 'prime256v1' },
      ...{ CURL_OPTS: `--cacert ${ca.caFile}`, DOMAINS_TXT: join(dir, 'none') },
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key}="${value}"\n`);
    writeFileSync(join(dir, 'config'), lines.join(''));
  },
);

const acmeSh = peer('acme.sh', ({ ca, webroot }, dir, name) => ({
  args: [
    ...['--home', dir, '--issue', '--server', ca.directoryUrl, '--ca-bundle', ca.caFile],
    ...['-d', name, '-w', webroot],
  ],
}));

export const subjects: readonly Subject[] = [
  pemfleet('pemfleet, concurrency 1', 1),
  pemfleet('pemfleet, concurrency 10', 10),
  pemfleet('pemfleet, a process each', 1, true),
  ...[lego, certbot, dehydrated, acmeSh],
];
