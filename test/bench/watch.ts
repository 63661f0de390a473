// `npm run bench -- watch`: what it costs to keep proofs fresh (agent, HAProxy, visitors), beside the same agent stopped in the same run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeMany, stampSet } from '../support/agent/many.ts';
import { startAgent } from '../support/agent/program.ts';
import { stampedName } from '../support/stamp.ts';
import { type LoadCount, startTlsLoad } from '../support/tls-load.ts';
import { cpuMsOf } from './load-stage.ts';
import type { BenchOptions, BenchRow } from './main.ts';

const COUNTS = [100, 2000, 5000];
/** As in the agent's unit. */
const NICENESS = 5;
const LOAD = { newPerSecond: 40, keepAlive: 10 };
/** The agent stands still for one slice and works in the next: what this machine does besides falls on both alike. */
const SLICE_MS = 5000;
const SLICES = 13;
/** The agent measures its handshakes for some time, and then keeps the pace that this gives. */
const WARM_UP_MS = 20_000;
const DEADLINE_MS = 600_000;

interface Slice {
  load: LoadCount;
  agentMs: number;
  haproxyMs: number;
  seconds: number;
}

export async function watch(_options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const count of COUNTS) {
    const some = await measureOne(count);
    say(`${count}: ${some.map(({ measure, value, unit }) => `${measure} ${value}${unit}`).join(', ')}`);
    rows.push(...some);
  }
  return rows;
}

async function measureOne(count: number): Promise<BenchRow[]> {
  const many = await makeMany('3.2', await stampSet(count));
  const { stage } = many;
  await stage.pass();
  const { child, said } = startAgent(['run', ...stage.flags], { niceness: NICENESS });
  const agent = child.pid ?? 0;
  const load = await startTlsLoad({
    ...LOAD,
    port: stage.haproxy.httpsPort,
    servernames: Array.from({ length: count }, (_, index) => stampedName(index)),
  });
  try {
    await said('event=run.finished', 1, DEADLINE_MS);
    const haproxy = await stage.haproxy.pid();
    await sleep(WARM_UP_MS);
    const slices = { stopped: [] as Slice[], watching: [] as Slice[] };
    const from = Date.now();
    for (let index = 0; index < SLICES; index += 1) {
      child.kill('SIGSTOP');
      slices.stopped.push(await sliceOf(agent, haproxy, load));
      child.kill('SIGCONT');
      slices.watching.push(await sliceOf(agent, haproxy, load));
    }
    // It saves them once a minute.
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
    return rowsOf(count, slices, handshakesSince(from, stage.stateDir));
  } finally {
    child.kill('SIGKILL');
    await load.stop();
    await many.stop();
  }
}

async function sliceOf(agent: number, haproxy: number, load: { take(): LoadCount }): Promise<Slice> {
  load.take();
  const before = { agent: cpuMsOf(agent), haproxy: cpuMsOf(haproxy), at: performance.now() };
  await sleep(SLICE_MS);
  return {
    load: load.take(),
    agentMs: cpuMsOf(agent) - before.agent,
    haproxyMs: cpuMsOf(haproxy) - before.haproxy,
    seconds: (performance.now() - before.at) / 1000,
  };
}

/** Each file is proved at most once in the time that is measured. */
function handshakesSince(from: number, stateDir: string): number {
  const { files } = JSON.parse(readFileSync(join(stateDir, 'proofs.json'), 'utf8')) as {
    files: Record<string, { attempt: { at: string } }>;
  };
  return Object.values(files).filter(({ attempt }) => Date.parse(attempt.at) >= from).length;
}

function rowsOf(
  count: number,
  slices: { stopped: readonly Slice[]; watching: readonly Slice[] },
  handshakes: number,
): BenchRow[] {
  const [stopped, watching] = [summaryOf(slices.stopped), summaryOf(slices.watching)];
  const subject = `${count} certificates`;
  const row = (measure: string, value: number, unit = '') => ({
    ...{ subject, measure, value: Math.round(value * 100) / 100, unit },
  });
  return [
    row('agent', watching.agentPercent, '%'),
    row('HAProxy by watching', watching.haproxyPercent - stopped.haproxyPercent, '%'),
    row('HAProxy, agent stopped', stopped.haproxyPercent, '%'),
    row('handshakes a second', handshakes / watching.seconds),
    row('span', (count * watching.seconds) / handshakes / 60, 'min'),
    row('p99, agent stopped', stopped.p99, 'ms'),
    row('p99, watching', watching.p99, 'ms'),
    row('p99 to stopped', watching.p99 / stopped.p99),
    row('failed requests', watching.failed),
  ];
}

function summaryOf(slices: readonly Slice[]) {
  const sum = (of: (slice: Slice) => number) => slices.reduce((total, slice) => total + of(slice), 0);
  const seconds = sum((slice) => slice.seconds);
  const latencies = slices.flatMap(({ load }) => load.latenciesMs).sort((a, b) => a - b);
  return {
    seconds,
    agentPercent: sum(({ agentMs }) => agentMs) / seconds / 10,
    haproxyPercent: sum(({ haproxyMs }) => haproxyMs) / seconds / 10,
    p99: latencies[Math.ceil(latencies.length * 0.99) - 1] ?? Number.NaN,
    failed: sum(({ load }) => load.failed.length),
  };
}
