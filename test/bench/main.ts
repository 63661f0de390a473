// `npm run bench -- NAME [--json]`: measures pemfleet and its peers in the same run; see docs/bench.md.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { cost } from './cost.ts';
import { issue } from './issue.ts';
import { load } from './load.ts';
import { poll } from './poll.ts';
import { scale } from './scale.ts';
import { side } from './side.ts';
import { traffic } from './traffic.ts';
import { watch } from './watch.ts';

export interface BenchRow {
  subject: string;
  measure: string;
  value: number;
  unit: string;
  /** the version; or why there is no measure */
  note?: string;
}

export interface BenchOptions {
  certificates: number;
  /** for those that take seconds each */
  peerCertificates: number;
  /** words of a subject's name */
  only: string[];
  /** of HAProxy */
  versions: string[];
  /** how many certificates HAProxy has */
  loaded: number[];
  /** of each kind by each subject, in all of its rounds */
  updates: number;
}

type Bench = (options: BenchOptions, say: (line: string) => void) => Promise<BenchRow[]>;
const benches: Readonly<Record<string, Bench>> = {
  issue,
  bundle,
  cost,
  load,
  poll,
  scale,
  side,
  traffic,
  watch,
};

const usage = `npm run bench -- NAME [--json] [--certificates 100] [--peer-certificates 20] [--only WORD]
         load: [--versions 2.6,3.0,3.2,3.4] [--loaded 10,1000,10000] [--updates 400]
NAME: ${Object.keys(benches).join(', ')}
`;
const say = (line: string) => process.stderr.write(`bench: ${line}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      certificates: { type: 'string', default: '100' },
      'peer-certificates': { type: 'string', default: '20' },
      only: { type: 'string', multiple: true, default: [] },
      versions: { type: 'string', default: '2.6,3.0,3.2,3.4' },
      loaded: { type: 'string', default: '10,1000,10000' },
      updates: { type: 'string', default: '400' },
    },
  });
  const [name = ''] = positionals;
  const bench = benches[name];
  if (bench === undefined) {
    process.stderr.write(usage);
    return 64;
  }
  const program = fileURLToPath(new URL('../../dist/cli/index.mjs', import.meta.url));
  if (!existsSync(program)) throw new Error(`${program} is not there: npm run build`);
  const [certificates, peerCertificates] = [values.certificates, values['peer-certificates']].map(Number);
  const options = {
    certificates: certificates ?? 0,
    peerCertificates: peerCertificates ?? 0,
    only: values.only,
    versions: values.versions.split(','),
    loaded: values.loaded.split(',').map(Number),
    updates: Number(values.updates),
  };
  if (!options.loaded.every((size) => size > 0)) {
    throw new Error(`--loaded ${values.loaded}: wanted numbers above 0`);
  }
  const rows = await bench(options, say);
  process.stdout.write(values.json ? `${JSON.stringify({ bench: name, rows })}\n` : table(rows));
  return 0;
}

/** Markdown: a line for each subject, a column for each measure. */
function table(rows: readonly BenchRow[]): string {
  const measures = [...new Set(rows.map(({ measure }) => measure))];
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const cell = (subject: string, measure: string) => {
    const row = rows.find((other) => other.subject === subject && other.measure === measure);
    return row === undefined ? '-' : `${row.value}${row.unit && ` ${row.unit}`}`;
  };
  const noteOf = (subject: string) => rows.find((row) => row.subject === subject && row.note)?.note ?? '';
  const lines = subjects.map((subject) => [
    subject,
    ...measures.map((measure) => cell(subject, measure)),
    noteOf(subject),
  ]);
  const all = [['', ...measures, 'version'], ['---', ...measures.map(() => '---:'), '---'], ...lines];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? [];
  return all
    .map((line) => `| ${line.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |\n`)
    .join('');
}

process.exitCode = await main().catch((error: Error) => {
  say(error.message);
  return 1;
});
