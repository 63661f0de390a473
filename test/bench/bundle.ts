// `npm run bench -- bundle`: what a Lambda's cold start costs us: bytes, loading, the first answer, memory.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { layout } from '#contract/layout.ts';
import { type Aws, startAws } from '../aws/aws.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import type { BenchOptions, BenchRow } from './main.ts';
import { measure } from './measure.ts';

const RUNS = 20;
const TOKEN = 'DGyRejmCefe7v4NfDGDKfA';
const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const http = { method: 'GET' };
const ASKED = JSON.stringify({ rawPath: `/.well-known/acme-challenge/${TOKEN}`, requestContext: { http } });

interface Subject {
  name: string;
  bundle: string;
  /** The first one that it answers; the issuer's is a whole pass, which is measured elsewhere. */
  event?: string;
}

/** What a run of cold-start.mjs says, and the processor time of its process. */
interface Run {
  loadMs: number;
  answerMs: number;
  residentMb: number;
  cpuMs: number;
}

export async function bundle(options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const temp = makeTempDir();
  const aws = await startAws();
  aws.s3.createBucket('certs');
  aws.s3.write('certs', layout.challenge(TOKEN), `${TOKEN}.thumbprint`);
  try {
    const empty = await bundled(temp.path, 'empty.mjs', { contents: 'export const handler = () => ({});' });
    const withSdk = await bundled(temp.path, 'sdk.mjs', { entry: pathOf('../../lambda/responder.ts') });
    const subjects: Subject[] = [
      { name: 'nothing', bundle: empty },
      { name: 'responder', bundle: pathOf('../../dist/responder/index.mjs'), event: ASKED },
      { name: 'responder, with the SDK', bundle: withSdk, event: ASKED },
      { name: 'issuer', bundle: pathOf('../../dist/issuer/index.mjs') },
    ];
    const wanted = subjects.filter(({ name }) => options.only.every((word) => name.includes(word)));
    const rows: BenchRow[] = [];
    for (const subject of wanted) rows.push(...(await rowsOf(subject, aws, temp.path)));
    say(`${wanted.length} bundles, ${RUNS} starts each`);
    return rows;
  } finally {
    await aws.stop();
    temp.remove();
  }
}

/** The responder's own sources, with another way to S3. */
async function bundled(
  directory: string,
  name: string,
  { entry, contents = '' }: { entry?: string; contents?: string },
): Promise<string> {
  const outfile = join(directory, name);
  await build({
    ...{ bundle: true, minify: true, platform: 'node', target: 'node20', format: 'esm', outfile },
    mainFields: ['module', 'main'],
    ...(entry === undefined ? { stdin: { contents } } : { entryPoints: [entry] }),
    plugins: [
      {
        name: 'with-the-sdk',
        setup: ({ onResolve }) =>
          onResolve({ filter: /storage\/open-without-sdk\.ts$/ }, () => ({ path: pathOf('sdk-open.ts') })),
      },
    ],
  });
  return outfile;
}

async function rowsOf({ name, bundle: file, event }: Subject, aws: Aws, cwd: string): Promise<BenchRow[]> {
  const env = { ...aws.administrator.env, PEMFLEET_BUCKET: 's3://certs' };
  const command = [process.execPath, pathOf('cold-start.mjs'), file, ...(event === undefined ? [] : [event])];
  const runs: Run[] = [];
  // The first one brings the file into the page cache, and does not count.
  for (let run = 0; run <= RUNS; run += 1) {
    const { status, stdout, stderr, cpuSeconds } = await measure(command, { env, cwd });
    const said = status === 0 ? JSON.parse(stdout) : undefined;
    if (said === undefined || (event !== undefined && said.status !== 200)) {
      throw new Error(`${name} did not answer: ${stdout} ${stderr}`);
    }
    if (run > 0) runs.push({ ...said, cpuMs: cpuSeconds * 1_000 });
  }
  const row = (measured: string, of: keyof Run, unit: string) => ({
    ...{ subject: name, measure: measured, value: Math.round(medianOf(runs.map((run) => run[of]))), unit },
  });
  return [
    { subject: name, measure: 'size', value: Math.round(statSync(file).size / 1_000), unit: 'kB' },
    row('module load', 'loadMs', 'ms'),
    ...(event === undefined ? [] : [row('first answer', 'answerMs', 'ms')]),
    row('CPU time of the process', 'cpuMs', 'ms'),
    row('resident', 'residentMb', 'MB'),
  ];
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
