/** Checks the host around the agent: flock(1), the state directory, the last pass, the systemd unit, the clock, the user. */

import { constants, existsSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { quoted } from '#common/cli/quoted.ts';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import { showUnit } from '#common/systemd/show-unit.ts';
import { isEnabled, startWords, stateDirectoriesOf, type UnitProperties } from '#common/systemd/unit-view.ts';
import { HOUR_MS } from '#common/time.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Agent } from '../agent.ts';
import { readStatus } from '../state/status.ts';
import { type Finding, finding, moveAway } from './finding.ts';

const UNIT = 'pemfleet-agent.service';

export async function examineHost(agent: Agent, runCommand: RunHostCommand, uid: number): Promise<Finding[]> {
  const unit = await unitOf(runCommand);
  return [
    ...(await examineFlock(runCommand)),
    ...(await examineState(agent, unit ?? {})),
    ...(unit === undefined ? [] : await examineSystemd(unit, runCommand)),
    ...(await examineUser(agent, uid)),
  ];
}

async function examineFlock(runCommand: RunHostCommand): Promise<Finding[]> {
  if ((await runCommand('flock', ['--version'])).isInstalled) return [];
  return [
    finding(
      'flock-missing',
      'flock(1) is not installed, and no pass can run without it',
      'apt-get install util-linux',
    ),
  ];
}

async function examineState(
  { config: { stateDir, fleet, host }, now }: Agent,
  unit: UnitProperties,
): Promise<Finding[]> {
  // systemd makes it when it starts the unit.
  if (stateDirectoriesOf(unit).includes(stateDir) && !existsSync(stateDir)) return [];
  const create = `install -d -m 0700 -o pemfleet ${quoted(stateDir)}`;
  const failure = await writeFailure(stateDir);
  if (failure !== undefined) return [finding('state-not-writable', failure, create)];
  const status = await readStatus(stateDir, { fleet, host }).catch((error: unknown) => messageOf(error));
  if (typeof status === 'string' && status !== 'broken') {
    const path = quoted(join(stateDir, 'status.json'));
    return [finding('state-not-writable', status, `${moveAway(path)}: the next pass writes it anew`)];
  }
  const at = status === undefined || status === 'broken' ? undefined : new Date(status.reportedAt);
  if (at === undefined || now().getTime() - at.getTime() < OVERDUE_MS) return [];
  return [
    finding(
      'pass-overdue',
      `the last report dates from ${at.toISOString()}`,
      `systemctl enable --now ${UNIT}; journalctl -u ${UNIT} -n 50`,
    ),
  ];
}

/** The agent reports once an hour at least. */
const OVERDUE_MS = 2 * HOUR_MS;

/**
 * Tries the deepest directory of `path` that exists: a pass creates the rest.
 * @returns what fails, `undefined` if this user may write there
 */
export async function writeFailure(path: string): Promise<string | undefined> {
  // With `/.` a plain file in the way is ENOTDIR, whatever its mode.
  const code = await access(`${path}/.`, constants.W_OK | constants.X_OK).then(() => undefined, codeOf);
  if (code === 'ENOENT' && path !== '/') return writeFailure(dirname(path));
  return code === undefined ? undefined : `this user cannot write to ${path} (${code})`;
}

/** @returns undefined where systemd does not run this host */
async function unitOf(runCommand: RunHostCommand): Promise<UnitProperties | undefined> {
  const { isInstalled, stdout: state } = await runCommand('systemctl', ['is-system-running']);
  if (!isInstalled || !/^(running|degraded|starting)/.test(state)) return undefined;
  return showUnit(runCommand, UNIT);
}

async function examineSystemd(unit: UnitProperties, runCommand: RunHostCommand): Promise<Finding[]> {
  const clock = (await runCommand('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'])).stdout.trim();
  return [
    ...judgeUnit(unit),
    ...(clock === 'no'
      ? [
          finding(
            'clock-unsynchronized',
            'nothing synchronizes the clock of this host',
            'timedatectl set-ntp true',
          ),
        ]
      : []),
  ];
}

function judgeUnit(unit: UnitProperties): Finding[] {
  const { LoadState, UnitFileState, ActiveState } = unit;
  if (LoadState === 'masked') {
    const fix = `if that is not meant: systemctl unmask ${UNIT}; systemctl enable --now ${UNIT}`;
    return [finding('unit-disabled', `no agent runs, and none will: ${UNIT} is masked`, fix)];
  }
  if (LoadState !== 'loaded') {
    const fix = `install the package pemfleet-agent, or its install.sh; then systemctl enable --now ${UNIT}`;
    return [finding('unit-missing', `systemd has no ${UNIT} (${LoadState}); what starts the agent?`, fix)];
  }
  if (ActiveState === 'failed') {
    return [
      finding(
        'unit-failed',
        `${UNIT} has failed`,
        `journalctl -u ${UNIT} -n 50; then systemctl restart ${UNIT}`,
      ),
    ];
  }
  if (isEnabled(unit) && ActiveState === 'active') return [];
  return [
    finding(
      'unit-disabled',
      `wanted ${UNIT} enabled and active, saw ${UnitFileState} and ${ActiveState}`,
      startWords(unit, UNIT).join(' '),
    ),
  ];
}

/** Root may do everything, so missing rights of the agent's user stay hidden. */
async function examineUser({ config: { stateDir } }: Agent, uid: number): Promise<Finding[]> {
  const owner = await stat(stateDir).then(
    (stats) => stats.uid,
    () => uid,
  );
  if (uid !== 0 || owner === 0) return [];
  const fix = 'runuser -u pemfleet -g pemfleet -G haproxy -- pemfleet-agent doctor';
  return [
    finding(
      'agent-user',
      `${stateDir} belongs to user ${owner}, but doctor runs as root, so it did not check the agent's own rights`,
      fix,
    ),
  ];
}
