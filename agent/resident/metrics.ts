/**
 * Metrics for node_exporter's textfile collector. Names and units follow Prometheus: base units, `_seconds`, and times
 * as Unix timestamps, from which a query computes the age.
 */
import { printable } from '#common/printable.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import type { Agent } from '../agent.ts';
import { isRuntimeErrorCode } from '../reactions.ts';
import type { PollOutcome } from './loop.ts';

export interface MetricsInput {
  version: string;
  fleet: string;
  host: string;
  status: HostStatus | undefined;
  /** When the bucket answered last. */
  polledAt: Date | undefined;
  /** Code of an error that affects the whole host. */
  code: string | undefined;
}

/** Writes `metrics.textfile`, if it is set, after each poll. A failure is logged and holds nothing up. */
export function metricsWriter(agent: Agent): (outcome: PollOutcome) => Promise<void> {
  const { config, version, now, log } = agent;
  const { textfile } = config.metrics;
  let polledAt: Date | undefined;
  return async ({ status, code }) => {
    if (textfile === undefined) return;
    if (code === undefined || isRuntimeErrorCode(code)) polledAt = now();
    const { fleet, host } = config;
    const text = metricsText({ version, fleet, host, status, polledAt, code });
    // The collector may read at any moment, as any user: the file is replaced as a whole, and holds no secret.
    await replaceFile(textfile, text, { mode: 0o644 }).catch((error: unknown) => {
      log('metrics.failed', { file: textfile, code: codeOf(error), message: messageOf(error) });
    });
  };
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [Labels, number];

export function metricsText({ version, fleet, host, status, polledAt, code }: MetricsInput): string {
  const files = status?.files ?? [];
  // Several HAProxy have the same files: without this label their samples would be duplicates.
  const instanceLabel = (haproxy: string | undefined) => (haproxy === undefined ? {} : { haproxy });
  const labelsOf = ({ certificate, file, instance }: HostStatus['files'][number]) => ({
    certificate,
    file,
    ...instanceLabel(instance),
  });
  const states = ['served', 'pending', 'failed', 'needs-reload'];
  return [
    gauge('info', 'The agent itself; always 1.', [[{ version, fleet, host }, 1]]),
    gauge(
      'error',
      'Error that affects the whole host; absent if there is none.',
      code ? [[{ code }, 1]] : [],
    ),
    gauge(
      'condition',
      'What is true of the whole host, such as frozen-manifest; absent if it is not.',
      (status?.conditions ?? []).map(({ condition }) => [{ condition }, 1]),
    ),
    gauge('last_poll_timestamp_seconds', 'Time of the last answer from the bucket.', at(polledAt)),
    gauge(
      'haproxy_up',
      'Whether HAProxy answered in the last pass.',
      (status?.haproxy ?? []).map(({ name, socket, pid }) => [
        { socket, ...instanceLabel(name) },
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
      'End of validity of the certificate that HAProxy shows.',
      files.flatMap((file) =>
        at(file.runtime && new Date(file.runtime.notAfter)).map(([, value]) => [labelsOf(file), value]),
      ),
    ),
  ].join('');
}

const at = (time: Date | undefined): Sample[] => (time ? [[{}, Math.floor(time.getTime() / 1000)]] : []);

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  const metric = `pemfleet_agent_${name}`;
  const lines = samples.map(([labels, value]) => `${metric}${labelText(labels)} ${value}\n`);
  return `# HELP ${metric} ${help}\n# TYPE ${metric} gauge\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string) =>
  printable(value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n'));
