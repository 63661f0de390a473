/** What init prints for people. */
import { printable } from '#common/printable.ts';
import type { Discovery } from '../../init/discovery.ts';
import type { ProposedNames } from '../../init/host/names.ts';
import type { Setup } from '../../init/setup.ts';

const MAX_NAMES = 100;

export function discoveryText({ installation }: Discovery): string {
  const { process, program, files } = installation;
  const running =
    process === undefined
      ? 'does not run'
      : `runs as process ${process.pid}${process.unit === undefined ? '' : ` of ${process.unit}`}`;
  return `HAProxy   ${program ?? 'is not installed'}, ${running}\n          ${files.map(printable).join('\n          ')}\n`;
}

export function namesText({ groups, skipped }: ProposedNames): string {
  const rows = groups.slice(0, MAX_NAMES).map(({ names, from }) => `  ${names.join(', ')}  (${from})`);
  const more = groups.length > MAX_NAMES ? [`  … and ${groups.length - MAX_NAMES} more`] : [];
  const found = groups.length === 0 ? ['  no host that a certificate could be for'] : [...rows, ...more];
  const left = skipped.slice(0, MAX_NAMES).map(({ name, from, why }) => `  not ${name}  (${from}): ${why}`);
  return `${["HAProxy's configuration names, one certificate a line:", ...found, ...left].map(printable).join('\n')}\n`;
}

/** @param isDone whether it was written, or only would be */
export function setupText(setup: Setup, isDone: boolean): string {
  const verb = isDone ? 'wrote' : 'would write';
  const made = isDone ? 'made' : 'would make';
  const lines = [
    ...setup.directories.map(
      ({ path, mode }) => `${made} ${path} (mode ${mode.toString(8).padStart(4, '0')})`,
    ),
    ...setup.files.map(({ path }) => `${verb} ${path}`),
    ...setup.kept,
    ...setup.plan.notes.map((note) => `note: ${note}`),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}
