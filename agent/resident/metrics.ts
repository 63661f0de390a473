/**
 * For node_exporter's textfile collector: names and units as Prometheus wants them (base units, `_seconds`,
 * times as Unix timestamps, so that "how old" is the reader's subtraction).
 */
import type { HostStatus } from '#contract/host-status.ts';
import { replaceFile } from '#storage/atomic-file.ts';

export interface MetricsInput {
  version: string;
  fleet: string;
  host: string;
  status: HostStatus | undefined;
  /** When the bucket has answered last. */
  polledAt: Date | undefined;
  /** What hinders the whole host. */
  code: string | undefined;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [Labels, number];

export function metricsText({ version, fleet, host, status, polledAt, code }: MetricsInput): string {
  const files = status?.files ?? [];
  // Of several HAProxy, each has the same files: without this label their samples would be duplicates.
  const of = (haproxy: string | undefined) => (haproxy === undefined ? {} : { haproxy });
  const labelsOf = ({ certificate, file, instance }: HostStatus['files'][number]) => ({
    ...{ certificate, file },
    ...of(instance),
  });
  const states = ['served', 'pending', 'failed', 'needs-reload'];
  return [
    gauge('info', 'The agent itself; always 1.', [[{ version, fleet, host }, 1]]),
    gauge('error', 'What hinders the whole host; absent when nothing does.', code ? [[{ code }, 1]] : []),
    gauge('last_poll_timestamp_seconds', 'When the bucket has answered last.', at(polledAt)),
    gauge(
      'haproxy_up',
      'Whether HAProxy could be asked in the last pass.',
      (status?.haproxy ?? []).map(({ name, socket, pid }) => [
        { socket, ...of(name) },
        pid === undefined ? 0 : 1,
      ]),
    ),
    gauge(
      'certificates',
      'Files of the manifest by state.',
      states.map((state) => [{ state }, files.filter((file) => file.state === state).length]),
    ),
    gauge(
      'certificate_served',
      'Whether HAProxy serves what the manifest wants.',
      files.map((file) => [labelsOf(file), file.state === 'served' ? 1 : 0]),
    ),
    gauge(
      'certificate_expiry_timestamp_seconds',
      'End of validity of what HAProxy shows.',
      files.flatMap((file) =>
        at(file.runtime && new Date(file.runtime.notAfter)).map(([, value]) => [labelsOf(file), value]),
      ),
    ),
  ].join('');
}

/** Whole or not at all: the collector may read at any moment. World-readable, there is no secret in it. */
export function writeMetrics(path: string, text: string): Promise<void> {
  return replaceFile(path, text, { mode: 0o644 });
}

const at = (time: Date | undefined): Sample[] => (time ? [[{}, Math.floor(time.getTime() / 1000)]] : []);

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  const full = `pemfleet_agent_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labelText(labels)} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
