/**
 * STORYBOARD of `doctor`: it checks everything that an installation needs, and names a fix for each fault; without `--fix` it
 * changes nothing. `look-*.ts` collect the facts of one HAProxy; `judge-*.ts` are pure and turn facts into findings.
 */

import { ConfigError } from '#common/config-error.ts';
import { findingsDocument, findingsText } from '#common/doctor/findings.ts';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import { messageOf } from '#contract/errors.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Agent } from '../agent.ts';
import { jsonText } from '../cli/output.ts';
import type { AgentConfig } from '../config/config.ts';
import { capabilitiesOf, commandBytes } from '../haproxy/capabilities.ts';
import type { RuntimeSocket } from '../haproxy/socket.ts';
import { examineBucket, judgeManifest, judgeSizes } from './bucket.ts';
import { type Finding, finding } from './finding.ts';
import { examineHandshakes } from './handshakes.ts';
import { examineHost } from './host.ts';
import { judgeBinds, judgeProofs } from './judge-binds.ts';
import { judgeCrtList } from './judge-crt-list.ts';
import { judgeDirectory } from './judge-directory.ts';
import { judgeHaproxy } from './judge-haproxy.ts';
import { judgeLoaded } from './judge-loaded.ts';
import { lookAtCrtList } from './look-crt-list.ts';
import { lookAtDirectory } from './look-directory.ts';
import { type HaproxyFacts, lookAtHaproxy } from './look-haproxy.ts';
import { examineOwnership } from './look-ownership.ts';
import { type Beforehand, findMends } from './mend/as-root.ts';

export interface Examination {
  agent: Agent;
  socketOf: (config: AgentConfig) => RuntimeSocket;
  runCommand: RunHostCommand;
  uid: number;
  /** HAProxy's configuration file; default: the one that HAProxy names. */
  haproxyConfig: string | undefined;
  /** What root has seen before it went on as the agent's user. */
  beforehand?: Beforehand | undefined;
}

/** @throws ConfigError `ERR_USAGE` */
export async function diagnose(examination: Examination): Promise<Finding[]> {
  const { agent, runCommand, uid, haproxyConfig } = examination;
  if (agent.instances !== undefined && haproxyConfig !== undefined) {
    throw new ConfigError(
      'ERR_USAGE',
      '--haproxy-config works with one HAProxy only; each of several names its own file',
    );
  }
  const host = await examineHost(agent, runCommand, uid);
  const { manifest, findings: bucket } = await examineBucket(agent);
  const instances: Finding[] = [];
  let haproxyNow: Date | undefined;
  for (const instance of agent.instances ?? [agent]) {
    const { haproxy, findings } = await examineInstance({ ...examination, agent: instance }, manifest);
    const { name } = instance.config.haproxy;
    instances.push(...findings.map((one) => (name === undefined ? one : { instance: name, ...one })));
    haproxyNow ??= haproxy.now;
  }
  const times = manifest ? judgeManifest(manifest, agent.now(), haproxyNow) : [];
  const { mends } = examination.beforehand ?? { mends: await findMends(agent.config, runCommand) };
  const mendable = mends.flatMap(({ finding: found }) => (found === undefined ? [] : [found]));
  return [...mendable, ...host, ...bucket, ...times, ...instances];
}

/** Checks one HAProxy, and what the manifest means for it. */
async function examineInstance(
  { agent, socketOf, haproxyConfig, beforehand }: Examination,
  manifest: Manifest | undefined,
): Promise<{ haproxy: HaproxyFacts; findings: Finding[] }> {
  const { config } = agent;
  const ask = socketOf(config);
  const asUser = await lookAtHaproxy(ask, config, haproxyConfig);
  // Its configuration may be root's alone.
  const isUnread = asUser.configUnread !== undefined;
  const haproxy = isUnread ? { ...asUser, ...beforehand?.configs.get(config.haproxy.certsDir) } : asUser;
  const crtList = await lookAtCrtList(config.haproxy, haproxy.config);
  const { ours, findings: foreign } = await examineOwnership(agent, manifest);
  const directory = { ...(await lookAtDirectory(config.haproxy, haproxy, crtList, ask)), ours };
  const handshakes =
    haproxy.code === undefined ? await examineHandshakes(agent, manifest, haproxy.config) : [];
  const findings = [
    ...(manifest ? judgeSizes(manifest, maxPemBytes(haproxy, config)) : []),
    ...judgeHaproxy(haproxy, config),
    ...foreign,
    ...judgeDirectory(directory, crtList, config),
    ...judgeCrtList(crtList),
    ...judgeLoaded(directory, haproxy, config),
    ...judgeBinds(haproxy.config, directory, config),
    ...judgeProofs(haproxy.config, provedIn(directory), haproxy.version, config),
    ...handshakes,
  ];
  return { haproxy, findings };
}

/** Files that a bind may hand out. */
const provedIn = ({ entries }: Awaited<ReturnType<typeof lookAtDirectory>>): number =>
  entries.filter(({ facts, isRead }) => isRead && facts !== undefined).length;

/** What is left of one command for the PEM, behind a file name of 64 bytes. */
function maxPemBytes({ version }: HaproxyFacts, { haproxy: { bufsize, certsDir } }: AgentConfig): number {
  return capabilitiesOf(version, bufsize).maxCommandBytes - commandBytes(0, `${certsDir}/`) - 64;
}

/** A refused configuration is the only finding: nothing else can be checked without one. */
export async function examineConfigured(
  loading: Promise<AgentConfig>,
  examinationOf: (config: AgentConfig) => Promise<Examination>,
): Promise<Finding[]> {
  const config = await loading.catch((error: unknown) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if (!(config instanceof ConfigError)) return diagnose(await examinationOf(config));
  const fix = 'correct each of these settings; docs/agent-settings.md and --help list all of them';
  return [finding('config-refused', messageOf(config), fix)];
}

export function findingsOutput(findings: readonly Finding[], asJson: boolean): string {
  return asJson ? jsonText(findingsDocument(findings)) : findingsText(findings);
}
