/** What `doctor --fix` does about a finding, for both programs: files first, then drop-ins, then systemd. */
import { type DropIn, writeDropIns } from '#common/systemd/drop-ins.ts';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import { SECOND_MS } from '#common/time.ts';
import { applyRepair, type Repair, repairText } from '#common/user/repair.ts';

/** All that mends one fault. */
export interface Mend<Id extends string = string> {
  /** The finding that goes by it. */
  id: Id;
  repairs?: readonly Repair[];
  /** Written only where they differ from what is there. */
  dropIns?: readonly DropIn[];
  /** Commands of this machine, after all else. */
  commands?: readonly (readonly string[])[];
}

export interface Mending {
  isDryRun: boolean;
  say: (line: string) => void;
  runCommand: RunHostCommand;
  /** For a tree that is not booted. */
  root?: string;
}

/** A unit that says when it is ready may have a first pass to make. */
const COMMAND_MS = 90 * SECOND_MS;

/** Goes on where one repair fails: what is left is found again. @returns how many changes were made, or would be */
export async function applyMends(mends: readonly Mend[], mending: Mending): Promise<number> {
  const { isDryRun, say } = mending;
  let changes = 0;
  const done = (text: string) => {
    changes += 1;
    say(`${isDryRun ? 'would mend' : 'mended'}: ${text}\n`);
  };
  for (const repair of mends.flatMap(({ repairs = [] }) => repairs)) {
    try {
      if (!isDryRun) await applyRepair(repair);
      done(repairText(repair));
    } catch (error) {
      say(`not mended: ${repair.path}: ${(error as Error).message}\n`);
    }
  }
  await applyDropIns(mends, mending, done);
  for (const command of commandsOf(mends)) {
    const [program = '', ...args] = command;
    const ended = isDryRun ? undefined : await mending.runCommand(program, args, COMMAND_MS);
    if (ended?.failure === undefined) done(command.join(' '));
    else say(`not mended: ${command.join(' ')}: ${ended.failure}\n`);
  }
  return changes;
}

async function applyDropIns(
  mends: readonly Mend[],
  { isDryRun, runCommand, root }: Mending,
  done: (text: string) => void,
): Promise<void> {
  const dropIns = mends.flatMap(({ dropIns = [] }) => dropIns);
  if (isDryRun) {
    for (const { path } of dropIns) done(`${path} written`);
    return;
  }
  const written = await writeDropIns(dropIns, root);
  for (const path of written) done(`${path} written`);
  if (written.length > 0) await runCommand('systemctl', ['daemon-reload']);
}

/** Each once. */
function commandsOf(mends: readonly Mend[]): readonly string[][] {
  const lines = mends.flatMap(({ commands = [] }) => commands.map((words) => words.join('\0')));
  return [...new Set(lines)].map((line) => line.split('\0'));
}
