/**
 * Channels that run a program of this machine. Under a unit that takes all privileges away (NoNewPrivileges) neither postfix nor a hook could
 * do its work: there they wait for pemfleet-notify.service, which runs `pemfleet notify`.
 */
import { readFileSync } from 'node:fs';
import type { ChannelSettings } from '../../../config/notify/channel.ts';
import type { NoticeChannel } from '../../deliver.ts';
import { ExecChannel } from './exec.ts';
import { SendmailChannel } from './sendmail.ts';

export function machineOpener(
  isConfined: boolean,
  onOutput: (line: string) => void,
): (settings: ChannelSettings) => NoticeChannel | undefined {
  return ({ sendmail, exec, timeoutSeconds }) => {
    if (isConfined) return undefined;
    if (exec !== undefined) return new ExecChannel(exec, timeoutSeconds, onOutput);
    return sendmail && new SendmailChannel(sendmail, timeoutSeconds);
  };
}

/** proc_pid_status(5): no program that this one starts gets more rights than it has. */
export function hasNoNewPrivileges(status = readFileSync('/proc/self/status', 'utf8')): boolean {
  return /^NoNewPrivs:\s*1$/m.test(status);
}
