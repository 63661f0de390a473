/** The figures of a pass for Prometheus: what CloudWatch has on AWS, by Prometheus's rules for names and units. */
import { gauge, type Sample, timestamp } from '#common/prometheus/text-format.ts';
import { DAY_MS, SECOND_MS } from '#common/time.ts';
import type { PassMetrics } from './metrics.ts';

/** What is no count, with the name that has its unit. */
const IN_OTHER_UNITS: Readonly<Record<string, { name: string; factor: number }>> = {
  DaysToExpiry: { name: 'earliest_expiry_seconds', factor: DAY_MS / SECOND_MS },
  OldestProofHours: { name: 'oldest_proof_seconds', factor: 3600 },
};

/** @param finishedAt of the last pass that came to its end; undefined: none did, as far as is known */
export function figuresText(metrics: PassMetrics, at: Date, finishedAt: Date | undefined): string {
  const values = Object.entries(metrics).filter(([figure]) => figure !== 'RunFinished');
  return [
    time('last_pass_timestamp_seconds', 'Time of these figures.', at),
    time('last_finished_pass_timestamp_seconds', 'Time of the last pass that came to its end.', finishedAt),
    ...values.map(([figure, value]) => figureText(figure, value)),
  ].join('');
}

const time = (name: string, help: string, at: Date | undefined) =>
  gauge(`pemfleet_${name}`, help, timestamp(at));

function figureText(figure: string, value: number): string {
  const { name = snakeCase(figure), factor = 1 } = IN_OTHER_UNITS[figure] ?? {};
  const samples: Sample[] = [[{}, value * factor]];
  return gauge(`pemfleet_${name}`, `${figure} of docs/aws.md.`, samples);
}

function snakeCase(figure: string): string {
  return figure.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
}

/** As the last pass left it in the file. */
export function finishedAtIn(text: string): Date | undefined {
  const seconds = /^pemfleet_last_finished_pass_timestamp_seconds (\d+)$/m.exec(text)?.[1];
  return seconds === undefined ? undefined : new Date(Number(seconds) * SECOND_MS);
}
