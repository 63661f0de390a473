/**
 * `doctor`: looks at everything that an installation needs, changes nothing, and names the fix of what is wrong.
 * First everything is looked at, then it is judged.
 */

import { ConfigError } from '#common/config-error.ts';
import { messageOf } from '#contract/errors.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Agent } from '../agent.ts';
import { EXIT, jsonText } from '../cli/output.ts';
import type { AgentConfig } from '../config/config.ts';
import { capabilitiesOf, commandBytes } from '../haproxy/capabilities.ts';
import type { RuntimeSocket } from '../haproxy/socket.ts';
import type { RunHostCommand } from '../resident/host-command.ts';
import { examineBucket, judgeManifest, judgeSizes } from './bucket.ts';
import { type Finding, finding, type Severity } from './finding.ts';
import { examineHandshakes } from './handshakes.ts';
import { examineHost } from './host.ts';
import { judgeBinds } from './judge-binds.ts';
import { judgeCrtList } from './judge-crt-list.ts';
import { judgeDirectory } from './judge-directory.ts';
import { judgeHaproxy } from './judge-haproxy.ts';
import { judgeLoaded } from './judge-loaded.ts';
import { lookAtCrtList } from './look-crt-list.ts';
import { lookAtDirectory } from './look-directory.ts';
import { lookAtHaproxy, type SeenHaproxy } from './look-haproxy.ts';

export interface Examination {
  agent: Agent;
  askerOf: (config: AgentConfig) => RuntimeSocket;
  runCommand: RunHostCommand;
  uid: number;
  /** HAProxy's configuration; default: as HAProxy says. */
  haproxyConfig: string | undefined;
}

/** @throws ConfigError `ERR_USAGE` */
export async function diagnose(examination: Examination): Promise<Finding[]> {
  const { agent, runCommand, uid, haproxyConfig } = examination;
  const several = agent.instances ?? [];
  if (several.length > 0 && haproxyConfig !== undefined)
    throw new ConfigError(
      'ERR_USAGE',
      '--haproxy-config works with one HAProxy only; each of several names its own file',
    );
  const host = await examineHost(agent, runCommand, uid);
  const { manifest, findings: bucket } = await examineBucket(agent);
  const found: Finding[] = [];
  const clocks: (Date | undefined)[] = [];
  for (const one of several.length > 0 ? several : [agent]) {
    const { haproxy, findings } = await examineOne({ ...examination, agent: one }, manifest);
    const { name: instance } = one.config.haproxy;
    found.push(...findings.map((finding) => ({ ...(instance !== undefined && { instance }), ...finding })));
    clocks.push(haproxy.now);
  }
  const [clock] = clocks.filter((now) => now !== undefined);
  return [...host, ...bucket, ...(manifest ? judgeManifest(manifest, agent.now(), clock) : []), ...found];
}

/** One HAProxy, and what the manifest means for it. */
async function examineOne(
  { agent, askerOf, haproxyConfig }: Examination,
  manifest: Manifest | undefined,
): Promise<{ haproxy: SeenHaproxy; findings: Finding[] }> {
  const { config } = agent;
  const ask = askerOf(config);
  const haproxy = await lookAtHaproxy(ask, config, haproxyConfig);
  const crtList = await lookAtCrtList(config.haproxy, haproxy.config);
  const directory = await lookAtDirectory(config.haproxy, haproxy, crtList, ask);
  const { bufsize, certsDir } = config.haproxy;
  const room =
    capabilitiesOf(haproxy.version, bufsize).maxCommandBytes - commandBytes(0, `${certsDir}/`) - 64;
  const handshakes =
    haproxy.code === undefined ? await examineHandshakes(config, manifest, haproxy.config) : [];
  const findings = [
    ...(manifest ? judgeSizes(manifest, room) : []),
    ...judgeHaproxy(haproxy, config),
    ...judgeDirectory(directory, crtList, config),
    ...judgeCrtList(crtList),
    ...judgeLoaded(directory, haproxy, config),
    ...judgeBinds(haproxy.config, directory, config),
    ...handshakes,
  ];
  return { haproxy, findings };
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
  const fix = 'correct each of these settings; docs/agent.md and --help list all of them';
  return [finding('config-refused', messageOf(config), fix)];
}

export function exitStatusOfFindings(findings: readonly Finding[]): number {
  const has = (wanted: Severity) => findings.some(({ severity }) => severity === wanted);
  if (has('error')) return EXIT.failure;
  return has('warning') ? EXIT.partly : EXIT.ok;
}

export function findingsOutput(findings: readonly Finding[], asJson: boolean): string {
  return asJson ? jsonText(documentOf(findings)) : textOf(findings);
}

function textOf(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'no problems found\n';
  const order: Severity[] = ['error', 'warning', 'note'];
  const sorted = order.flatMap((wanted) => findings.filter(({ severity }) => severity === wanted));
  return sorted
    .map(({ instance, id, severity, seen, fix }) => {
      const where = instance === undefined ? '' : `${instance}: `;
      return `${severity.padEnd(7)}  ${id}: ${where}${seen}\n         → ${fix}\n`;
    })
    .join('');
}

function documentOf(findings: readonly Finding[]) {
  const count = (wanted: Severity) => findings.filter(({ severity }) => severity === wanted).length;
  return { version: 1, errors: count('error'), warnings: count('warning'), notes: count('note'), findings };
}
