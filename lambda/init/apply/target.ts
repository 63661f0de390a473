/** All of pemfleet's units, and what makes them begin with a new configuration. */
import { runHostCommand } from '#common/systemd/host-command.ts';

export const TARGET = 'pemfleet.target';

/**
 * Where the target is on already, as after a boot without a configuration, starting it again starts no pass: its timer of the start has
 * gone off. A restart sets that off anew.
 * @returns what somebody is to type
 */
export async function startCommandOf(): Promise<string> {
  const [active, enabled] = await Promise.all(
    ['is-active', 'is-enabled'].map((verb) => runHostCommand('systemctl', [verb, TARGET])),
  );
  if (active?.stdout.trim() !== 'active') return `systemctl enable --now ${TARGET}`;
  const restart = `systemctl restart ${TARGET}`;
  return enabled?.stdout.trim() === 'enabled' ? restart : `systemctl enable ${TARGET} && ${restart}`;
}
