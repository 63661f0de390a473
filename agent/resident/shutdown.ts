/**
 * The last word of a host that is shut down or taken away: nobody shall be called because it reports no more. Its next
 * pass, should there be one, reports as always.
 */
import type { Agent } from '../agent.ts';
import { putStatus, readOwnStatus } from '../pass/report.ts';
import { saveStatus } from '../state/state.ts';
import type { Exec } from './exec.ts';

/** @returns whether the bucket knows; a host that has never reported has nobody to say goodbye to */
export async function reportDeparture(agent: Agent): Promise<boolean> {
  const known = await readOwnStatus(agent);
  if (known === undefined) return true;
  const leftAt = agent.now().toISOString();
  const status = { ...known, reportedAt: leftAt, leftAt };
  // First here: a pass compares with it, and so reports anew.
  await saveStatus(agent.config.stateDir, status);
  const isTold = await putStatus(agent, status);
  if (isTold) agent.log('host.left');
  return isTold;
}

/** Jobs by which the machine comes back. */
const REBOOTS = /\b(reboot|soft-reboot|kexec)\.target\b/;

/**
 * systemctl(1): `stopping` once a shutdown has begun; a mere stop of the unit leaves the machine `running`. After a reboot the host is
 * expected again: who does not come back shall be missed.
 */
export async function isShuttingDown(exec: Exec): Promise<boolean> {
  const { stdout } = await exec('systemctl', ['is-system-running']);
  if (stdout.trim() !== 'stopping') return false;
  const jobs = await exec('systemctl', ['list-jobs', '--no-legend']);
  return !REBOOTS.test(jobs.stdout);
}
