// `npm run bench -- load`: how fast certificates come into a running HAProxy, and what HAProxy pays for it.
import { haproxyVersions } from '../support/parts/haproxy.ts';
import { createPki } from '../support/parts/pki.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { openPress } from './leaf-press.ts';
import { type Cost, hostOf, type LoadStage, startLoadStage } from './load-stage.ts';
import { type Kind, type LoadSubject, loadSubjects, reload } from './load-subjects.ts';
import type { BenchOptions, BenchRow } from './main.ts';
import { measure } from './measure.ts';
import { unpackAgent } from './program.ts';

/** Turns that the subjects take one after another, so that a busy moment of the machine meets them all. */
const ROUNDS = 4;
const kinds: readonly Kind[] = ['update', 'addition'];

interface Total extends Cost {
  certificates: number;
}

export async function load(options: BenchOptions, say: (line: string) => void): Promise<BenchRow[]> {
  const press = await openPress(await createPki(), hostOf(0));
  const sizes = options.loaded;
  const stock = Array.from({ length: Math.max(...sizes) }, (_, index) => press(hostOf(index)));
  const { path, remove } = makeTempDir();
  const rows: BenchRow[] = [];
  try {
    const program = await unpackAgent(path);
    for (const version of haproxyVersions.filter((one) => options.versions.includes(one))) {
      for (const size of sizes) {
        const stage = await startLoadStage(version, press, stock.slice(0, size), program);
        rows.push(...(await rowsOf(stage, `${version}, ${size.toLocaleString('en')}`, options, say)));
      }
    }
  } finally {
    remove();
  }
  return rows;
}

async function rowsOf(
  stage: LoadStage,
  place: string,
  options: BenchOptions,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const isWanted = ({ name }: LoadSubject) => options.only.every((word) => name.includes(word));
  try {
    const totals = new Map<string, Total>();
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const subject of loadSubjects.filter(isWanted)) await takeTurn(stage, subject, options, totals);
      say(`${place}: round ${round} of ${ROUNDS}`);
    }
    const rows = loadSubjects.filter(isWanted).flatMap((subject) => toRows(place, subject.name, totals));
    rows.push(...(await idleRows(stage, place)));
    return isWanted(reload) ? [...rows, ...(await reloadRows(stage, place))] : rows;
  } finally {
    await stage.stop();
  }
}

async function takeTurn(
  stage: LoadStage,
  subject: LoadSubject,
  { updates, peerCertificates }: BenchOptions,
  totals: Map<string, Total>,
): Promise<void> {
  const count = Math.ceil((subject.isSlow ? peerCertificates : updates) / ROUNDS);
  for (const kind of kinds) {
    // Where few are loaded, it takes several passes to renew so many.
    for (let done = 0; done < count; ) {
      const leaves = kind === 'update' ? stage.renewals(count - done) : stage.newcomers(count - done);
      const cost = await subject.bring(stage, leaves, kind);
      const before = totals.get(subject.name + kind) ?? { certificates: 0, seconds: 0, cpuMs: 0 };
      totals.set(subject.name + kind, {
        certificates: before.certificates + leaves.length,
        seconds: before.seconds + cost.seconds,
        cpuMs: before.cpuMs + cost.cpuMs,
      });
      done += leaves.length;
    }
  }
}

function toRows(place: string, name: string, totals: ReadonlyMap<string, Total>): BenchRow[] {
  const rate = (subject: string, kind: Kind) => {
    const { certificates, seconds } = totals.get(subject + kind) ?? { certificates: Number.NaN, seconds: 1 };
    return certificates / seconds;
  };
  const cpu = (kind: Kind) => {
    const { certificates, cpuMs } = totals.get(name + kind) ?? { certificates: 1, cpuMs: Number.NaN };
    return cpuMs / certificates;
  };
  const [bare, hook] = ['bare loop', "acme.sh's hook"].map((peer) => rate(peer, 'update')) as [
    number,
    number,
  ];
  const row = (measured: string, value: number, unit: string) => ({
    ...{ subject: `${place}: ${name}`, measure: measured, value, unit },
  });
  return [
    row('updates', Math.round(rate(name, 'update')), '/s'),
    row('HAProxy CPU an update', round(cpu('update'), 2), 'ms'),
    row('of the bare loop', Math.round((rate(name, 'update') / bare) * 100), '%'),
    row("to acme.sh's hook", round(rate(name, 'update') / hook, 1), 'times'),
    row('additions', Math.round(rate(name, 'addition')), '/s'),
    row('HAProxy CPU an addition', round(cpu('addition'), 2), 'ms'),
  ].filter(({ value }) => !Number.isNaN(value));
}

/** The program as it ships, on a host where nothing is to do. */
async function idleRows(stage: LoadStage, place: string): Promise<BenchRow[]> {
  const command = [stage.program, 'sync', ...stage.flags];
  const run = () => measure(command, { cwd: stage.dir });
  await run();
  let idle = await run();
  const cost = await stage.measure(async () => {
    idle = await run();
  });
  if (idle.status !== 0) throw new Error(`sync with nothing to do: ${idle.stderr}`);
  const subject = `${place}: pemfleet sync, nothing to do`;
  return [
    { subject, measure: 'wall time', value: round(idle.seconds, 2), unit: 's' },
    { subject, measure: 'CPU', value: round(idle.cpuSeconds, 2), unit: 's' },
    { subject, measure: 'HAProxy CPU', value: round(cost.cpuMs / 1000, 2), unit: 's' },
  ];
}

async function reloadRows(stage: LoadStage, place: string): Promise<BenchRow[]> {
  const { seconds, cpuMs } = await reload.bring(stage, stage.renewals(1), 'update');
  const subject = `${place}: reload`;
  return [
    { subject, measure: 'updates', value: round(1 / seconds, 2), unit: '/s' },
    { subject, measure: 'wall time', value: round(seconds, 2), unit: 's' },
    { subject, measure: 'HAProxy CPU', value: round(cpuMs / 1000, 2), unit: 's' },
  ];
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));
