/** The scheduled probe: after a pass, what clients get at the addresses of the names. It fails no pass, and takes no time that the pass needs. */
import { startDeadline } from '#common/deadline.ts';
import { MINUTE_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { configuredFleets } from '../config/config.ts';
import type { PassMetrics } from '../figures/metrics.ts';
import type { PassResult } from '../outcome.ts';
import type { Pass } from '../pass.ts';
import { backgroundReader } from './background.ts';
import { meaningOf } from './judge.ts';
import { type ProbeRow, probeAll } from './probe.ts';
import { resolverOf } from './resolve.ts';
import { type ProbeTarget, targetsOf } from './target.ts';
import { nextWrongNames, readWrongNames, saveWrongNames } from './wrong-names.ts';

/** Names in one event. */
const MAX_NAMES = 20;
/** What is not asked by then has its turn in another pass. */
const MAX_PROBE_MS = MINUTE_MS;

/** @returns nothing where no probe is scheduled, or none could be made */
export async function probeNames(
  { bucket, config, log, timing }: Pick<Pass, 'bucket' | 'config' | 'log' | 'timing'>,
  { manifests }: Pick<PassResult, 'manifests'>,
): Promise<Pick<PassMetrics, 'NamesWrong'>> {
  const { probe: settings } = config;
  const leftMs = Math.min(MAX_PROBE_MS, timing.deadline.getTime() - timing.now().getTime());
  if (!settings.scheduled || leftMs <= 0) return {};
  const { except, resolvers } = settings;
  const now = timing.now();
  const targets = configuredFleets(config).flatMap((fleet) => {
    const manifest = manifests.get(fleet)?.manifest;
    return manifest === undefined ? [] : targetsOf(manifest, { only: undefined, except }, now);
  });
  const deadline = startDeadline(leftMs);
  const context = {
    settings,
    resolve: resolverOf(resolvers),
    backgroundOf: backgroundReader(bucket),
    deadline,
  };
  try {
    const rows = await probeAll({ ...context, now: timing.now }, inTurn(targets, now, config.wakeMinutes));
    const wrong = rows.filter((row) => meaningOf(row) === 'wrong');
    if (wrong.length > 0) {
      const count = new Set(wrong.map(({ name }) => name)).size;
      log('probe.wrong', { count, answers: wrong.slice(0, MAX_NAMES).map(answerText) });
    }
    const before = await readWrongNames(bucket);
    const names = targets.map(({ name }) => name);
    const next = nextWrongNames(before, rows, names, now);
    await saveWrongNames(bucket, next, before);
    return { NamesWrong: Object.keys(next).length };
  } catch (error) {
    log('probe.failed', { code: codeOf(error), error: messageOf(error) });
    return {};
  } finally {
    deadline.clear();
  }
}

/** Where the time does not suffice for all, each pass begins with others. */
function inTurn(targets: readonly ProbeTarget[], now: Date, wakeMinutes: number): ProbeTarget[] {
  const turn = Math.floor(now.getTime() / (wakeMinutes * MINUTE_MS));
  // A prime, so that neighbours do not always come together.
  const first = targets.length === 0 ? 0 : (turn * 7919) % targets.length;
  return [...targets.slice(first), ...targets.slice(0, first)];
}

function answerText({ verdict, name, address = '-', wire }: ProbeRow): string {
  return `${name} at ${address}: ${verdict}${wire === undefined ? '' : ` (serial ${wire.serial})`}`;
}
