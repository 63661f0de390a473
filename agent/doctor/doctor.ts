/**
 * `doctor`: looks at everything that an installation needs, changes nothing, and names the fix of what is wrong.
 * First everything is looked at, then it is judged.
 */
import { messageOf } from '#contract/errors.ts';
import type { Agent } from '../agent.ts';
import type { AgentConfig } from '../config.ts';
import { ConfigError } from '../errors.ts';
import { capabilitiesOf, commandBytes } from '../haproxy/capabilities.ts';
import type { RuntimeSocket } from '../haproxy/socket.ts';
import { EXIT } from '../show.ts';
import { examineBucket, judgeManifest, judgeSizes } from './bucket.ts';
import { type Finding, finding, type Severity } from './finding.ts';
import { examineHandshakes } from './handshakes.ts';
import { type Exec, examineHost } from './host.ts';
import { judgeBinds } from './judge-binds.ts';
import { judgeDirectory } from './judge-directory.ts';
import { judgeHaproxy } from './judge-haproxy.ts';
import { judgeLoaded } from './judge-loaded.ts';
import { lookAtDirectory } from './look-directory.ts';
import { lookAtHaproxy } from './look-haproxy.ts';

export interface Examination {
  agent: Agent;
  ask: RuntimeSocket;
  exec: Exec;
  uid: number;
  /** HAProxy's configuration; default: as HAProxy says. */
  haproxyConfig: string | undefined;
}

export async function diagnose({ agent, ask, exec, uid, haproxyConfig }: Examination): Promise<Finding[]> {
  const { config } = agent;
  const host = await examineHost(agent, exec, uid);
  const { manifest, findings: bucket } = await examineBucket(agent);
  const haproxy = await lookAtHaproxy(ask, config, haproxyConfig);
  const directory = await lookAtDirectory(config.haproxy.certsDir, haproxy.crtLists, ask);
  const { bufsize, certsDir } = config.haproxy;
  const room =
    capabilitiesOf(haproxy.version, bufsize).maxCommandBytes - commandBytes(0, `${certsDir}/`) - 64;
  const handshakes =
    haproxy.code === undefined ? await examineHandshakes(config, manifest, haproxy.config) : [];
  return [
    ...host,
    ...bucket,
    ...(manifest
      ? [...judgeManifest(manifest, agent.now(), haproxy.now), ...judgeSizes(manifest, room)]
      : []),
    ...judgeHaproxy(haproxy, config),
    ...judgeDirectory(directory, config),
    ...judgeLoaded(directory, haproxy, config),
    ...judgeBinds(haproxy.config, directory, config),
    ...handshakes,
  ];
}

/** With a refused configuration nothing else can be looked at: that is the finding. */
export async function examineConfigured(
  loading: Promise<AgentConfig>,
  prepare: (config: AgentConfig) => Examination,
): Promise<Finding[]> {
  const config = await loading.catch((error: unknown) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if (!(config instanceof ConfigError)) return diagnose(prepare(config));
  const fix = 'correct each line named; the keys are in docs/agent.md and --help';
  return [finding('config-refused', messageOf(config), fix)];
}

export function exitStatusOfFindings(findings: readonly Finding[]): number {
  const has = (wanted: Severity) => findings.some(({ severity }) => severity === wanted);
  if (has('error')) return EXIT.failure;
  return has('warning') ? EXIT.partly : EXIT.ok;
}

export function findingsOutput(findings: readonly Finding[], asJson: boolean): string {
  return asJson ? `${JSON.stringify(documentOf(findings), null, 2)}\n` : textOf(findings);
}

function textOf(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing to mend\n';
  const order: Severity[] = ['error', 'warning', 'note'];
  const sorted = order.flatMap((wanted) => findings.filter(({ severity }) => severity === wanted));
  return sorted
    .map(({ id, severity, seen, fix }) => `${severity.padEnd(7)}  ${id}: ${seen}\n         → ${fix}\n`)
    .join('');
}

function documentOf(findings: readonly Finding[]) {
  const count = (wanted: Severity) => findings.filter(({ severity }) => severity === wanted).length;
  return { version: 1, errors: count('error'), warnings: count('warning'), notes: count('note'), findings };
}
