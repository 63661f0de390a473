// How a fault is planted on a stage, and taken away again.

import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import type { FindingId } from '../../../agent/doctor/finding.ts';
import type { Stage } from './stage.ts';

export interface Planted {
  /** more flags */
  args?: string[];
  runCommand?: RunHostCommand;
  now?: Date;
  haproxyConfig?: string;
  mend?: () => unknown;
}

export interface DoctorRow {
  says: string;
  finds: FindingId;
  /** what the fix must name */
  fix: RegExp;
  plant(stage: Stage): Planted | undefined | Promise<Planted | undefined>;
}

/** systemd as on a host where all is well. */
export const healthyHost: RunHostCommand = async (program, args) => {
  const answers: Record<string, string> = {
    'systemctl is-system-running': 'running\n',
    'systemctl show': 'LoadState=loaded\nUnitFileState=enabled\nActiveState=active\n',
    'timedatectl show': 'yes\n',
  };
  return { isInstalled: true, stdout: answers[`${program} ${args[0]}`] ?? '' };
};

export const instead =
  (wanted: string, stdout: string): RunHostCommand =>
  async (program, args) =>
    `${program} ${args[0]}` === wanted ? { isInstalled: true, stdout } : healthyHost(program, args);

export const without =
  (gone: string): RunHostCommand =>
  async (program, args) =>
    program === gone ? { isInstalled: false, stdout: '' } : healthyHost(program, args);

export const inCerts = ({ haproxy }: Stage, name: string) => join(haproxy.certsDir, name);

export function put(stage: Stage, name: string, text: string, mode = 0o600): Planted {
  const path = inCerts(stage, name);
  writeFileSync(path, text, { mode });
  return { mend: () => rmSync(path) };
}

/** A configuration beside the running one, for what a start would make of it. */
export function cfg(stage: Stage, bind: string, global = '', address = ':443'): Planted {
  const file = join(stage.dir, 'doctor.cfg');
  writeFileSync(
    file,
    `global\n    ${global}\nfrontend f\n    bind ${address} ssl crt ${stage.haproxy.certsDir} ${bind}\n`,
  );
  return { haproxyConfig: file };
}

export const away = (path: string): Planted => {
  const there = join(dirname(path), `.${basename(path)}.away`);
  renameSync(path, there);
  return { mend: () => renameSync(there, path) };
};

export const leaf = async (stage: Stage, names: string[], options = {}) =>
  stage.pki.issue({ names, ...options });
export const dayMs = 86_400_000;
