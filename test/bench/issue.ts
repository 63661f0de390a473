// `npm run bench -- issue`: certificates by HTTP-01 and by DNS-01, one name each, from Pebble for pemfleet and its peers.
import type { Resource } from '../support/hostile-ca/hostile-ca.ts';
import type { BenchOptions, BenchRow } from './main.ts';
import { measure } from './measure.ts';
import { type BenchStage, startBenchStage, ZONE } from './stage.ts';
import { type Opened, type Subject, subjects } from './subjects.ts';

interface Totals {
  certificates: number;
  issued: number;
  seconds: number;
  cpuSeconds: number;
  requests: number;
  failure?: string | undefined;
}

export async function issue(options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const wanted = subjects.filter(({ name }) => options.only.every((word) => name.includes(word)));
  const stage = await startBenchStage();
  try {
    const rows: BenchRow[] = [];
    for (const subject of wanted) {
      const count = subject.isSlow ? options.peerCertificates : options.certificates;
      rows.push(...(await rowsOf(stage, subject, count, say)));
    }
    return rows;
  } finally {
    await stage.stop();
  }
}

/** Who cannot be measured has one row, which says why. */
async function rowsOf(
  stage: BenchStage,
  subject: Subject,
  count: number,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  try {
    const opened = await subject.open(stage, say);
    const stem = `${subject.name.replaceAll(/\W+/g, '-')}.${ZONE}`.toLowerCase();
    // Registers the account, and fills whatever is cached.
    await carryOut(stage, opened, [`warm-up.${stem}`]);
    const names = Array.from({ length: count }, (_, index) => `n${index}.${stem}`);
    const totals = await carryOut(stage, opened, names);
    const why = totals.issued < count && totals.failure ? `; one failed: ${totals.failure}` : '';
    say(
      `${subject.name} (${opened.version}): ${totals.issued} of ${count} in ${totals.seconds.toFixed(1)} s${why}`,
    );
    return toRows(subject.name, opened.version, totals);
  } catch (error) {
    const reason = String((error as Error).message)
      .split('\n')
      .slice(0, 2)
      .join(' ');
    say(`${subject.name}: not measured: ${reason}`);
    return [{ subject: subject.name, measure: 'certificates', value: 0, unit: '', note: reason }];
  }
}

async function carryOut(stage: BenchStage, { plan, ca }: Opened, names: readonly string[]): Promise<Totals> {
  const totals: Totals = { certificates: names.length, issued: 0, seconds: 0, cpuSeconds: 0, requests: 0 };
  const before = ca.requests.length;
  let said = '';
  for (const { command, env = {}, issued, failure } of plan(names)) {
    const run = await measure(command, { env, cwd: stage.webroot });
    totals.issued += issued(run.status, run.stdout);
    totals.failure ??= failure?.(run.stdout);
    totals.seconds += run.seconds;
    totals.cpuSeconds += run.cpuSeconds;
    said = run.stderr || run.stdout;
  }
  if (totals.issued === 0) throw new Error(`issued nothing; it says: ${lastLineOf(said)}`);
  totals.requests = ca.requests.slice(before).filter(({ resource }) => isOfAcme(resource)).length;
  return totals;
}

const isOfAcme = (resource: Resource) => resource !== 'other';
const lastLineOf = (text: string) => text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';

function toRows(subject: string, version: string, totals: Totals): BenchRow[] {
  const { certificates, issued } = totals;
  const row = (measured: string, value: number, unit: string) => ({
    subject,
    measure: measured,
    value,
    unit,
  });
  return [
    { ...row('certificates', certificates, ''), note: version },
    row('wall time per certificate', round(totals.seconds / certificates, 3), 's'),
    row('CPU time per certificate', round(totals.cpuSeconds / certificates, 3), 's'),
    row('requests per certificate', round(totals.requests / certificates, 2), ''),
    row('success', round((issued / certificates) * 100, 1), '%'),
  ];
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));
