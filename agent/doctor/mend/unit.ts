/** The unit of the agent as systemd has it: what it keeps the agent from, though doctor, outside of it, is not kept from it. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unitDropIns } from '#common/systemd/drop-ins.ts';
import { isEnabled, startWords, type UnitProperties, writeBar } from '#common/systemd/unit-view.ts';
import type { AgentConfig } from '../../config/config.ts';
import { type Finding, finding } from '../finding.ts';
import type { AgentMend } from './files.ts';

export const AGENT_UNIT = 'pemfleet-agent.service';
const FIX = 'as root: pemfleet-agent doctor --fix (it writes a drop-in of the unit, and restarts it)';
const RESTART = [['systemctl', 'try-restart', AGENT_UNIT]];

/** Directories that the agent writes to, beside the bucket. */
function directoriesWritten(config: AgentConfig): string[] {
  const settings = config.instances.length > 0 ? config.instances : [config.haproxy];
  const { textfile } = config.metrics;
  const directories = [
    config.stateDir,
    ...settings.flatMap(({ certsDir, crtListFile }) => [
      certsDir,
      ...(crtListFile === undefined ? [] : [dirname(crtListFile)]),
    ]),
    ...(textfile === undefined ? [] : [dirname(textfile)]),
  ];
  return [...new Set(directories)];
}

/** Pure. */
export function mendUnit(unit: UnitProperties, config: AgentConfig): AgentMend[] {
  if (unit['LoadState'] !== 'loaded') return [];
  const { bucket } = config;
  const writes = directoriesWritten(config);
  const all = bucket.startsWith('file:') ? [...writes, fileURLToPath(bucket)] : writes;
  const barred = all.flatMap((path) => {
    const bar = writeBar(unit, path);
    return bar === undefined ? [] : [`${path} (${bar})`];
  });
  const mends: AgentMend[] = [];
  if (barred.length > 0) {
    const dropIns = unitDropIns('agent', { bucket, writes });
    mends.push({ id: 'unit-read-only', finding: readOnly(barred), dropIns, commands: RESTART });
  }
  if ((unit['LimitCORE'] ?? '0') !== '0') {
    const saw = `a crash would write the keys in memory to a core dump: ${AGENT_UNIT} has LimitCORE=${unit['LimitCORE']}`;
    const path = `/etc/systemd/system/${AGENT_UNIT}.d/pemfleet-core.conf`;
    const dropIns = [{ path, text: '[Service]\nLimitCORE=0\n' }];
    mends.push({
      id: 'unit-core-dumps',
      finding: finding('unit-core-dumps', saw, FIX),
      dropIns,
      commands: RESTART,
    });
  }
  return [...mends, ...startUnit(unit)];
}

function readOnly(barred: readonly string[]): Finding {
  const saw = `${AGENT_UNIT} may not write to ${barred.join(', ')}, whatever the rights of the directory`;
  return finding('unit-read-only', saw, FIX);
}

/** doctor finds both by itself. A masked unit is somebody's will. */
function startUnit(unit: UnitProperties): AgentMend[] {
  const { ActiveState, UnitFileState } = unit;
  if (ActiveState === 'failed') {
    return [{ id: 'unit-failed', commands: [['systemctl', 'restart', AGENT_UNIT]] }];
  }
  const isRight = isEnabled(unit) && ActiveState === 'active';
  if (isRight || UnitFileState === 'masked') return [];
  return [{ id: 'unit-disabled', commands: [startWords(unit, AGENT_UNIT)] }];
}
