/**
 * What doctor does as root, before it goes on as the agent's user: it mends (`--fix`), looks at all files whoever owns them, and reads
 * HAProxy's configuration, which that user may not. All other checks are made as that user: root's rights would hide what it lacks.
 */
import { applyMends, type Mending } from '#common/doctor/mend.ts';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import { showUnit } from '#common/systemd/show-unit.ts';
import type { UnitProperties } from '#common/systemd/unit-view.ts';
import type { Account } from '#common/user/accounts.ts';
import { closedSettings } from '#common/user/closed-settings.ts';
import { rightOwner } from '#common/user/right-user.ts';
import { type AgentConfig, DEFAULT_CONFIG_FILE, instanceConfigs } from '../../config/config.ts';
import type { RuntimeSocket } from '../../haproxy/socket.ts';
import { finding } from '../finding.ts';
import { type HaproxyFacts, lookAtHaproxy } from '../look-haproxy.ts';
import { type AgentMend, mendAgentPlaces, mendCertificates, mendState, mendStatuses } from './files.ts';
import { AGENT_UNIT, mendUnit } from './unit.ts';

export type ReadConfig = Pick<HaproxyFacts, 'config' | 'configUnread'>;

export interface Beforehand {
  mends: readonly AgentMend[];
  /** Of each HAProxy, by its directory. */
  configs: ReadonlyMap<string, ReadConfig>;
}

/** All faults that doctor can mend, found without changing anything. */
export async function findMends(config: AgentConfig, runCommand: RunHostCommand): Promise<AgentMend[]> {
  const unit = await showUnit(runCommand, AGENT_UNIT);
  const owner = await rightOwner(config.stateDir, unit['LoadState'] === 'loaded' ? unit['User'] : undefined);
  const instances = config.instances.length > 0 ? instanceConfigs(config) : [config];
  const files: AgentMend[] = [];
  if (owner !== undefined) {
    files.push(...(await mendState(config, owner)));
    for (const instance of instances) files.push(...(await mendCertificates(instance, owner)));
    files.push(...(await mendStatuses(config, owner)));
  }
  for (const instance of instances) files.push(...(await mendAgentPlaces(instance, [DEFAULT_CONFIG_FILE])));
  files.push(...(await mendSettings(unit, owner)));
  return [...files, ...mendUnit(unit, config)];
}

/** The unit reads the file of the package, whatever `--config` says here. */
async function mendSettings(unit: UnitProperties, owner: Account | undefined): Promise<AgentMend[]> {
  if (unit['LoadState'] !== 'loaded') return [];
  const closed = await closedSettings(DEFAULT_CONFIG_FILE, owner, 'pemfleet-agent doctor');
  if (closed === undefined) return [];
  const { seen, fix, repairs } = closed;
  return [{ id: 'config-denied', finding: finding('config-denied', seen, fix), repairs }];
}

export async function prepareAsRoot(
  config: AgentConfig,
  request: { mending: Mending | undefined; haproxyConfig: string | undefined; runCommand: RunHostCommand },
  socketOf: (config: AgentConfig) => RuntimeSocket,
): Promise<Beforehand> {
  const { mending, haproxyConfig, runCommand } = request;
  if (mending !== undefined) await applyMends(await findMends(config, runCommand), mending);
  const configs = new Map<string, ReadConfig>();
  for (const instance of config.instances.length > 0 ? instanceConfigs(config) : [config]) {
    const facts = await lookAtHaproxy(socketOf(instance), instance, haproxyConfig);
    configs.set(instance.haproxy.certsDir, { config: facts.config, configUnread: facts.configUnread });
  }
  return { mends: await findMends(config, runCommand), configs };
}
