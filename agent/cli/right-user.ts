/** As whom each command of `pemfleet-agent` goes on, when root has typed it. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeNotice } from '#common/cli/streams.ts';
import { continueAsRightUser } from '#common/user/right-user.ts';
import type { AgentConfig } from '../config/config.ts';
import { socketPathOf } from '../haproxy/socket.ts';
import { isStateName } from '../state/names.ts';
import type { CommandLine } from './command-line.ts';

/** `writes` and `reads`: as the owner of the state directory; `anybody`: it opens nothing of the agent's. docs/agent.md shows this table. */
export const COMMAND_USERS: Readonly<Record<string, 'writes' | 'reads' | 'anybody'>> = {
  sync: 'writes',
  run: 'writes',
  leave: 'writes',
  adopt: 'writes',
  trust: 'writes',
  status: 'reads',
  doctor: 'reads',
  schema: 'anybody',
  version: 'anybody',
};

/**
 * Before anything of the state directory is opened.
 * @throws WrongUser
 */
export async function continueForHost(line: CommandLine, config: AgentConfig): Promise<void> {
  const settings = config.instances.length > 0 ? config.instances : [config.haproxy];
  const place = {
    path: config.stateDir,
    // To somebody who can only read there, doctor would name his own rights as faults of the host.
    isWritten:
      (COMMAND_USERS[line.command] === 'writes' && !line.isDryRun) || isDoctorOf(line, process.getuid?.()),
    isOwn: isStateName(config.instances),
    groups: await groupsOf(settings, config.pem.gid),
    // A pass goes on with a state directory that is shut: it keeps in memory what it cannot save, and says so.
    ...(line.command !== 'status' && { orUses: settings[0]?.certsDir ?? config.stateDir }),
  };
  await continueAsRightUser(place, {
    program: 'pemfleet-agent',
    args: process.argv.slice(2),
    env: process.env,
    say: (text) => writeNotice(process.stderr, text),
  });
}

const isDoctorOf = ({ command }: CommandLine, uid: number | undefined) => command === 'doctor' && uid !== 0;

/** As SupplementaryGroups= of the unit: HAProxy's socket is open to its group, and PEM files may be another group's. */
async function groupsOf(
  settings: readonly AgentConfig['haproxy'][],
  pemGroup: number | undefined,
): Promise<number[]> {
  const paths = settings.flatMap(({ certsDir, crtListFile, statsSocket }) => [
    socketPathOf(statsSocket),
    certsDir,
    ...(crtListFile === undefined ? [] : [dirname(crtListFile)]),
  ]);
  const found = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ gid }) => gid,
        () => undefined,
      ),
    ),
  );
  return [...found, pemGroup].filter((gid) => gid !== undefined);
}
