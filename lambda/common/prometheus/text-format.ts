/**
 * Figures as Prometheus reads them: the text format of node_exporter's textfile collector, and of a scrape. Names and units follow Prometheus:
 * base units, `_seconds`, and times as Unix timestamps, from which a query computes the age.
 */
import { printable } from '#common/printable.ts';

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [Labels, number];

/** For a setting: a file that node_exporter's textfile collector reads. */
export const TEXTFILE_PATH = /^\/.*\.prom$/;

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One gauge with its samples; without samples, its help alone. @param name whole, as `pemfleet_agent_error` */
export function gauge(name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

/** One sample with a time in seconds, or none. */
export function timestamp(time: Date | undefined): Sample[] {
  return time ? [[{}, Math.floor(time.getTime() / 1000)]] : [];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string) =>
  printable(value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n'));
