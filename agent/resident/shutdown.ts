/**
 * The last report of a host that shuts down or is removed: it must not raise HostsSilent. If the host ever makes another
 * pass, that pass reports as usual.
 */
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import type { Agent } from '../agent.ts';
import { putStatus, readOwnStatus } from '../pass/report.ts';
import { saveStatus } from '../state/status.ts';

/** @returns false if the bucket did not take the report; a host that has never reported needs none */
export async function reportDeparture(agent: Agent): Promise<boolean> {
  const lastStatus = await readOwnStatus(agent);
  if (lastStatus === undefined) return true;
  const leftAt = agent.now().toISOString();
  const status = { ...lastStatus, reportedAt: leftAt, leftAt };
  // Saved first: the next pass compares its status with this one, sees a change, and reports.
  await saveStatus(agent.config.stateDir, status);
  const isReported = await putStatus(agent, status);
  if (isReported) agent.log('host.left');
  return isReported;
}

/** Jobs after which the machine comes back. */
const REBOOTS = /\b(reboot|soft-reboot|kexec)\.target\b/;

/**
 * systemctl(1): the state is `stopping` once a shutdown has begun; stopping the unit alone leaves it at `running`.
 * A reboot does not count: the host is expected back, and must be missed if it does not come.
 */
export async function isShuttingDown(runCommand: RunHostCommand): Promise<boolean> {
  const { stdout } = await runCommand('systemctl', ['is-system-running']);
  if (stdout.trim() !== 'stopping') return false;
  const jobs = await runCommand('systemctl', ['list-jobs', '--no-legend']);
  return !REBOOTS.test(jobs.stdout);
}
