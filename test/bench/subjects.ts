// Who is compared, each started by the command that its users would type. One account each, ECDSA P-256 keys.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { HostileCa } from '../support/hostile-ca/hostile-ca.ts';
import { peerSubjects } from './peer-subjects.ts';
import type { BenchStage } from './stage.ts';

export interface Call {
  command: string[];
  env?: Record<string, string>;
  /** how many of its certificates were issued, of a call that ended with this status */
  issued(status: number | null, stdout: string): number;
  /** why one of them was not */
  failure?(stdout: string): string | undefined;
}

/** What a subject runs to get certificates for these names; called for a warm-up first. */
export type Plan = (names: readonly string[]) => Call[];

/** The two that every client of the comparison has. */
export type BenchChallenge = 'HTTP-01' | 'DNS-01';

export interface Opened {
  version: string;
  plan: Plan;
  /** where its requests are counted */
  ca: HostileCa;
}

export interface Subject {
  name: string;
  isSlow: boolean;
  open(stage: BenchStage, say: (line: string) => void): Promise<Opened>;
}

const cli = fileURLToPath(new URL('../../dist/cli/index.mjs', import.meta.url));

/** @param isOneByOne a process for each certificate, as a cron job a name would */
const pemfleet = (
  challenge: BenchChallenge,
  way: string,
  concurrency: number,
  isOneByOne = false,
): Subject => ({
  ...{ name: `${challenge}: pemfleet, ${way}`, isSlow: isOneByOne },
  open: async (stage) => {
    const dir = stage.makeDir(`pemfleet-${challenge} ${way}`.replaceAll(/\W+/g, '-'));
    const bucketDir = join(dir, 'bucket');
    const { ca, settings, env } = surroundings(stage, challenge);
    // No responder is needed: the web server looks into the bucket, as into a peer's webroot.
    stage.answerFrom(join(bucketDir, 'challenge'));
    const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
    const file = join(dir, 'pemfleet.yaml');
    const run = [process.execPath, cli, 'run', '--config', file, '--quiet', '--json'];
    const issued = (_: number | null, stdout: string) => countIssued(stdout);
    const failure = (stdout: string) => outcomesIn(stdout).find(({ error }) => error)?.error?.message;
    const plan: Plan = (names) => {
      const certificates = names.map((identifier) => ({ identifiers: [identifier] }));
      const bucket = `file://${bucketDir}`;
      writeFileSync(file, stringify({ bucket, acme, concurrency, ...settings, certificates }));
      const passes = isOneByOne ? names.map((one) => ['--only', one]) : [[]];
      return passes.map((only) => ({ command: [...run, ...only], env, issued, failure }));
    };
    return { version: 'this checkout', plan, ca };
  },
});

function surroundings({ ca, route53 }: BenchStage, challenge: BenchChallenge) {
  if (challenge === 'HTTP-01') return { ca, settings: {}, env: {} };
  const settings = { challenge: 'dns-01', dns: { resolvers: [route53.resolver] } };
  return { ca: route53.ca, settings, env: route53.env };
}

interface OutcomeLine {
  result: string;
  error?: { message: string };
}

function countIssued(stdout: string): number {
  return outcomesIn(stdout).filter(({ result }) => result === 'issued').length;
}

/** none of a program that was killed */
function outcomesIn(stdout: string): OutcomeLine[] {
  try {
    return (JSON.parse(stdout) as { outcomes: OutcomeLine[] }).outcomes;
  } catch {
    return [];
  }
}

const CHALLENGES = ['HTTP-01', 'DNS-01'] as const;

export const subjects: readonly Subject[] = CHALLENGES.flatMap((challenge) => [
  pemfleet(challenge, 'concurrency 1', 1),
  pemfleet(challenge, 'concurrency 10', 10),
  pemfleet(challenge, 'a process each', 1, true),
  ...peerSubjects(challenge),
]);
