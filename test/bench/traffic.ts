// `npm run bench -- traffic`: what visitors notice of 1,000 renewals, and of a reload, beside a quiet HAProxy in the same run.
import { setTimeout as sleep } from 'node:timers/promises';
import { type CertificateSet, type Many, makeMany, stampSet } from '../support/agent/many.ts';
import { type Resident, startResident } from '../support/agent/resident.ts';
import { type HaproxyVersion, haproxyVersions } from '../support/parts/haproxy.ts';
import { stampedName } from '../support/stamp.ts';
import { type LoadCount, startTlsLoad } from '../support/tls-load.ts';
import type { BenchOptions, BenchRow } from './main.ts';

const CERTIFICATES = 1000;
/** As in the agent's unit. */
const NICENESS = 5;
const LOAD = { newPerSecond: 60, keepAlive: 20 };
const WARM_UP_MS = 1000;
/** The agent stands still for one slice and works in the next: what this machine does besides falls on both alike. */
const SLICE_MS = 1000;
const SETTLE_MS = 200;
/** On a busy machine, fewer than all updates are measured. */
const MAX_SLICES = 20;
/** After the new worker answers: the clients of the old one come back. */
const AFTER_RELOAD_MS = 3000;

interface Subject {
  version: HaproxyVersion;
  /** `undefined`: the agent's own choice. */
  pace?: number;
}
type Phase = 'baseline' | 'updates' | 'reload';
interface Measured extends LoadCount {
  seconds: number;
}
type Phases = Map<Phase, Measured[]>;

const nameOf = ({ version, pace }: Subject) => (pace === 0 ? `${version} without pace` : version);

export async function traffic(options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const set = await stampSet(CERTIFICATES);
  const subjects: Subject[] = [
    ...haproxyVersions.map((version) => ({ version })),
    { version: '2.6', pace: 0 },
  ];
  const wanted = subjects.filter((subject) => options.only.every((word) => nameOf(subject).includes(word)));
  const rows: BenchRow[] = [];
  for (const subject of wanted) {
    rows.push(...(await rowsOf(subject, set, (line) => say(`${nameOf(subject)}: ${line}`))));
  }
  return rows;
}

async function rowsOf(
  subject: Subject,
  set: CertificateSet,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const many = await makeMany(subject.version, set);
  const pace = subject.pace === undefined ? [] : ['--pace', String(subject.pace)];
  let agent: Resident | undefined;
  try {
    // Proves them all, so that the resident one has nothing to do yet.
    await many.stage.pass();
    agent = await startResident(many.stage, pace, NICENESS);
    await many.renew(set.pems.map((_, index) => index));
    const { phases, updates } = await measureAll(many, agent);
    const table = tableOf(nameOf(subject), phases, updates);
    say(table.map(({ measure, value, unit }) => `${measure} ${value}${unit}`).join(', '));
    return table;
  } finally {
    await agent?.stop();
    await many.stop();
  }
}

const LOADED = 'event=certificate.loaded';
const loaded = (agent: Resident) => agent.log().split(LOADED).length;

async function measureAll(many: Many, agent: Resident): Promise<{ phases: Phases; updates: number }> {
  const { during, leave, phases } = await visit(many);
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  // It fails only if the agent has ended, which the measure of a busy machine does before its time.
  const pass = agent.pollAndPass().then(over, over);
  // It looks at everything first; that is not what is measured.
  await agent.said(LOADED, 1);
  const before = loaded(agent);
  for (let slice = 0; !isOver && slice < MAX_SLICES; slice += 1) {
    agent.freeze();
    await during('baseline', () => sleep(SLICE_MS));
    agent.thaw();
    await during('updates', () => Promise.race([sleep(SLICE_MS), pass]));
  }
  agent.freeze();
  const updates = loaded(agent) - before;
  const { reload } = many.stage.haproxy;
  await during('reload', () => reload().then(() => sleep(AFTER_RELOAD_MS)));
  await leave();
  return { phases, updates };
}

async function visit({ stage, wanted }: Many) {
  const servernames = wanted.map((_, index) => stampedName(index));
  const load = await startTlsLoad({ ...LOAD, port: stage.haproxy.httpsPort, servernames });
  await sleep(WARM_UP_MS);
  const phases: Phases = new Map();
  const during = async (phase: Phase, work: () => Promise<unknown>) => {
    if (phase !== 'reload') await sleep(SETTLE_MS);
    load.take();
    const start = performance.now();
    await work();
    const measured = { ...load.take(), seconds: (performance.now() - start) / 1000 };
    phases.set(phase, [...(phases.get(phase) ?? []), measured]);
  };
  return { phases, during, leave: load.stop };
}

function tableOf(name: string, phases: Phases, updates: number): BenchRow[] {
  const baseline = pooled(phases.get('baseline') ?? []);
  return [...phases].flatMap(([phase, slices]) => {
    const all = pooled(slices);
    const row = (measure: string, value: number, unit = '') => ({
      ...{ subject: `${name}, ${phase}`, measure, value: Math.round(value * 10) / 10, unit },
    });
    return [
      row('p50', percentile(all, 50), 'ms'),
      row('p99', percentile(all, 99), 'ms'),
      row('max', percentile(all, 100), 'ms'),
      row('p99 to baseline', percentile(all, 99) / percentile(baseline, 99)),
      row('new connections', all.latenciesMs.length),
      row('failed requests', all.failed.length),
      row('closed keep-alive', all.closed),
      ...(phase === 'updates' ? [row('updates', updates)] : []),
      row('seconds', all.seconds, 's'),
    ];
  });
}

function pooled(rounds: readonly Measured[]): Measured {
  return {
    latenciesMs: rounds.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b),
    failed: rounds.flatMap(({ failed }) => failed),
    kept: sum(rounds.map(({ kept }) => kept)),
    closed: sum(rounds.map(({ closed }) => closed)),
    seconds: sum(rounds.map(({ seconds }) => seconds)),
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function percentile({ latenciesMs }: Measured, percent: number): number {
  return latenciesMs[Math.max(0, Math.ceil((latenciesMs.length * percent) / 100) - 1)] ?? Number.NaN;
}
