/** Who runs a command. A machine's word: whoever is root there can say anything, so it counts as claimed. */
import { hostname, userInfo } from 'node:os';
import type { AuditActor } from './line.ts';

/** @param args as typed. No option of ours takes a secret as its value. */
export function commandActor(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  reason: string | undefined,
): AuditActor {
  const sudoer = env['SUDO_USER'];
  return {
    by: sudoer === undefined ? callerName() : `${callerName()} (sudo: ${sudoer})`,
    ...{ isClaimed: true, host: hostname() },
    command: quotedWords(['pemfleet', ...args]),
    ...(reason !== undefined && { reason }),
  };
}

/** @param arn of the function */
export function functionActor(arn: string): AuditActor {
  return { by: arn, command: 'pass' };
}

/** Of whoever has started this program. */
export function callerName(): string {
  try {
    return userInfo().username;
  } catch {
    // No line in passwd(5), as in many containers.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** A command line, as it may be typed again. */
export function quotedWords(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word);
}
