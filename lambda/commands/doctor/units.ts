/** The units of the issuing side, as systemd has them. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unitDropIns } from '#common/systemd/drop-ins.ts';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import { showUnit } from '#common/systemd/show-unit.ts';
import { isEnabled, startWords, type UnitProperties, writeBar } from '#common/systemd/unit-view.ts';
import type { Config } from '../../config/config.ts';
import type { IssuerMend } from './files.ts';
import { type IssuerFinding, issuerFinding } from './finding.ts';

const ISSUER = 'pemfleet.service';
const TIMER = 'pemfleet.timer';
const RESPONDER = 'pemfleet-responder.service';
const AGENT = 'pemfleet-agent.service';
const FIX = 'as root: pemfleet doctor --fix (it writes a drop-in of the unit)';

export interface IssuerUnits {
  /** systemd runs this machine. */
  isBooted: boolean;
  issuer: UnitProperties;
  timer: UnitProperties;
  responder: UnitProperties;
  agent: UnitProperties;
}

export async function readUnits(runCommand: RunHostCommand): Promise<IssuerUnits> {
  const { isInstalled, stdout } = await runCommand('systemctl', ['is-system-running']);
  const isBooted = isInstalled && /^(running|degraded|starting)/.test(stdout);
  const show = async (unit: string) => (isBooted ? showUnit(runCommand, unit) : {});
  return {
    isBooted,
    issuer: await show(ISSUER),
    timer: await show(TIMER),
    responder: await show(RESPONDER),
    agent: await show(AGENT),
  };
}

const isLoaded = (unit: UnitProperties) => unit['LoadState'] === 'loaded';

/** Pure. */
export function mendUnits(units: IssuerUnits, config: Config, usesResponder: boolean): IssuerMend[] {
  if (!units.isBooted || !isLoaded(units.issuer)) return [];
  const mends = [...mendView(units.issuer, config), ...mendTimer(units.timer)];
  // Without a unit, another responder may answer: the check of the names says whether one does.
  if (usesResponder && units.responder['LoadState'] !== 'not-found') {
    mends.push(...mendResponder(units.responder));
  }
  return mends;
}

function mendView(unit: UnitProperties, { bucket, metrics: { textfile } }: Config): IssuerMend[] {
  const writes = textfile === undefined ? [] : [dirname(textfile)];
  const all = bucket.startsWith('file:') ? [...writes, fileURLToPath(bucket)] : writes;
  const barred = all.flatMap((path) => {
    const bar = writeBar(unit, path);
    return bar === undefined ? [] : [`${path} (${bar})`];
  });
  const mends: IssuerMend[] = [];
  if (barred.length > 0) {
    const saw = `${ISSUER} may not write to ${barred.join(', ')}, whatever the rights of the directory`;
    const dropIns = unitDropIns('issuer', { bucket, writes });
    const commands = [['systemctl', 'try-restart', RESPONDER]];
    mends.push({
      id: 'unit-read-only',
      finding: issuerFinding('unit-read-only', saw, FIX),
      dropIns,
      commands,
    });
  }
  if ((unit['LimitCORE'] ?? '0') !== '0') {
    const saw = `a crash would write the keys in memory to a core dump: ${ISSUER} has LimitCORE=${unit['LimitCORE']}`;
    const path = `/etc/systemd/system/${ISSUER}.d/pemfleet-core.conf`;
    const dropIns = [{ path, text: '[Service]\nLimitCORE=0\n' }];
    mends.push({ id: 'unit-core-dumps', finding: issuerFinding('unit-core-dumps', saw, FIX), dropIns });
  }
  return mends;
}

function mendTimer(unit: UnitProperties): IssuerMend[] {
  const { ActiveState, UnitFileState } = unit;
  if (!isLoaded(unit)) return [notLoaded(unit, TIMER, 'no pass comes by itself')];
  const command = startWords(unit, TIMER);
  if (ActiveState === 'active' && isEnabled(unit)) return [];
  const saw = `no pass comes by itself: ${TIMER} is ${UnitFileState || 'not enabled'} and ${ActiveState}`;
  return [
    {
      id: 'unit-disabled',
      finding: issuerFinding('unit-disabled', saw, command.join(' ')),
      commands: [command],
    },
  ];
}

/** A masked unit is somebody's will: it is named, and stays so. */
function notLoaded({ LoadState = 'not-found' }: UnitProperties, unit: string, what: string): IssuerMend {
  const fix =
    LoadState === 'masked'
      ? `if that is not meant: systemctl unmask ${unit}; systemctl enable --now ${unit}`
      : 'install the package pemfleet, or see docs/standalone.md';
  return {
    id: 'unit-disabled',
    finding: issuerFinding('unit-disabled', `${what}: ${unit} is ${LoadState}`, fix),
  };
}

function mendResponder(unit: UnitProperties): IssuerMend[] {
  const { ActiveState } = unit;
  if (ActiveState === 'active') return [];
  if (unit['LoadState'] === 'masked') return [notLoaded(unit, RESPONDER, 'no HTTP-01 challenge is answered')];
  const isFailed = ActiveState === 'failed';
  const command = isFailed ? ['systemctl', 'restart', RESPONDER] : startWords(unit, RESPONDER);
  const id = isFailed ? 'unit-failed' : 'unit-disabled';
  const saw = `${RESPONDER} is ${ActiveState}: no HTTP-01 challenge is answered`;
  return [
    {
      id,
      finding: issuerFinding(id, saw, `${command.join(' ')}; journalctl -u ${RESPONDER} -n 50`),
      commands: [command],
    },
  ];
}

/** A condition has kept it down (there is no agent.yaml); it takes its time over its first pass. Started again and again, it is down. */
function isDown({ ActiveState, ConditionResult, NRestarts = '0' }: UnitProperties): boolean {
  if (ActiveState === 'inactive') return ConditionResult !== 'no';
  return ActiveState === 'activating' ? Number(NRestarts) > 0 : ActiveState !== 'active';
}

/** What no restart mends. */
export function judgeUnits({ isBooted, issuer, agent }: IssuerUnits): IssuerFinding[] {
  if (!isBooted) return [];
  const findings: IssuerFinding[] = [];
  if (!isLoaded(issuer)) {
    const saw = `systemd has no ${ISSUER} (${issuer['LoadState']}); what starts "pemfleet run"?`;
    findings.push(
      issuerFinding('unit-missing', saw, 'install the package pemfleet, or see docs/standalone.md'),
    );
  }
  if (issuer['ActiveState'] === 'failed') {
    const saw = `the last pass has failed (${issuer['Result']})`;
    findings.push(issuerFinding('unit-failed', saw, `journalctl -u ${ISSUER} -n 50; pemfleet status`));
  }
  if (isLoaded(agent) && isEnabled(agent) && isDown(agent)) {
    const saw = `${AGENT} on this host is ${agent['ActiveState']}`;
    findings.push(issuerFinding('agent-failed', saw, 'pemfleet-agent doctor'));
  }
  return findings;
}
