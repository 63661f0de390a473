/** What the agent has to say to Prometheus: after each poll, as a file for node_exporter's textfile collector and to whoever scrapes. */
import { type Listening, parseListenAddress } from '#common/net/listen.ts';
import { startMetricsServer } from '#common/prometheus/metrics-server.ts';
import { timestamp as at, gauge as family, type Sample } from '#common/prometheus/text-format.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import type { Agent } from '../agent.ts';
import { errorFields } from '../pass/log-outcome.ts';
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

/** Where the figures of the last poll go. */
export interface MetricsOutput {
  /** A failure is logged and holds nothing up. */
  write(outcome: PollOutcome): Promise<void>;
  close(): Promise<void>;
}

/** `metrics.textfile`, and nothing that listens: for a pass outside of the loop. */
export function metricsWriter(agent: Agent, onText?: (text: string) => void): MetricsOutput['write'] {
  const { config, version, now } = agent;
  const { fleet, host } = config;
  let polledAt: Date | undefined;
  return async ({ status, code }) => {
    if (code === undefined || isRuntimeErrorCode(code)) polledAt = now();
    const text = metricsText({ version, fleet, host, status, polledAt, code });
    onText?.(text);
    await replaceTextfile(agent, text);
  };
}

/** With `metrics.listen`, if it is set: where the address is taken, that is logged, and the agent works without. */
export async function openMetrics(agent: Agent): Promise<MetricsOutput> {
  const { listen } = agent.config.metrics;
  let last: string | undefined;
  const write = metricsWriter(agent, (text) => {
    last = text;
  });
  const server = listen === undefined ? undefined : await startServerOrLog(agent, listen, async () => last);
  return { write, close: async () => server?.stop() };
}

async function startServerOrLog(
  { log }: Agent,
  listen: string,
  text: () => Promise<string | undefined>,
): Promise<Listening | undefined> {
  try {
    const address = parseListenAddress(listen);
    return address && (await startMetricsServer(address, text));
  } catch (error) {
    log('metrics.failed', { listen, ...errorFields(error) });
    return undefined;
  }
}

/** The collector may read at any moment, as any user: the file is replaced as a whole, and holds no secret. */
async function replaceTextfile({ config, log }: Agent, text: string): Promise<void> {
  const { textfile } = config.metrics;
  if (textfile === undefined) return;
  await replaceFile(textfile, text, { mode: 0o644 }).catch((error: unknown) => {
    log('metrics.failed', { file: textfile, ...errorFields(error) });
  });
}

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
      [...new Set(status?.conditions?.map(({ condition }) => condition))].map((condition) => [
        { condition },
        1,
      ]),
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
    gauge(
      'certificate_proven_timestamp_seconds',
      'Time of the oldest of the handshakes that show it, one for each bind.',
      files.flatMap((file) =>
        at(file.provenAt === undefined ? undefined : new Date(file.provenAt)).map(([, value]) => [
          labelsOf(file),
          value,
        ]),
      ),
    ),
    gauge(
      'certificate_unproven',
      'HAProxy shows it, no handshake can: why.',
      files.flatMap((file) =>
        file.unproven === undefined ? [] : [[{ ...labelsOf(file), reason: file.unproven.reason }, 1]],
      ),
    ),
    gauge(
      'proof_span_seconds',
      'How old a proof may become.',
      status?.proofs === undefined ? [] : [[{}, status.proofs.spanMs / 1000]],
    ),
    gauge(
      'drift',
      'How often it was found different and repaired, in the last 14 days.',
      (status?.drift ?? []).map(({ kind, certificate, file, instance, count }) => [
        { kind, certificate, file, ...instanceLabel(instance) },
        count,
      ]),
    ),
  ].join('');
}

const gauge = (name: string, help: string, samples: readonly Sample[]) =>
  family(`pemfleet_agent_${name}`, help, samples);
