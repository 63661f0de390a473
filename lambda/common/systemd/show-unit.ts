/** What systemd says of a unit, and of pemfleet.target where that starts it. */
import type { RunHostCommand } from './host-command.ts';
import { PEMFLEET_TARGET, parseProperties, UNIT_PROPERTIES, type UnitProperties } from './unit-view.ts';

/** @returns without any property where there is no systemctl */
export async function showUnit(runCommand: RunHostCommand, name: string): Promise<UnitProperties> {
  const show = async (unit: string) =>
    parseProperties((await runCommand('systemctl', ['show', '-p', UNIT_PROPERTIES, unit])).stdout);
  const unit = await show(name);
  if (!unit['WantedBy']?.split(' ').includes(PEMFLEET_TARGET)) return unit;
  const { UnitFileState, ActiveState } = await show(PEMFLEET_TARGET);
  return { ...unit, TargetFileState: UnitFileState, TargetActiveState: ActiveState };
}
