/** The channels of this machine: also those that run a program, unless the unit takes them their rights. */
import type { Config } from '../../config/config.ts';
import type { Log } from '../../log.ts';
import { hasNoNewPrivileges, machineOpener } from '../../notification/channels/machine/open-machine.ts';
import { openChannels } from '../../notification/channels/open-channels.ts';
import type { NoticeChannels } from '../../notification/deliver.ts';
import { now } from '../command.ts';

/** @returns undefined: the configuration names nobody */
export function machineChannels({ notify }: Config, log: Log): NoticeChannels | undefined {
  if (notify === undefined) return undefined;
  const openMore = machineOpener(hasNoNewPrivileges(), (line) => log('notice.output', { line }));
  return openChannels(notify, { env: process.env, now, openMore });
}
