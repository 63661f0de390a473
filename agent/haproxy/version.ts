/**
 * HAProxy's versions as `show info` names them: `2.6.12-1+deb12u4`, `3.5-dev5`, `2.8.5-1ubuntu3.2`. Where there is no
 * number in it, the HAProxy counts as the oldest that the agent works with: least is expected of it.
 */

const OLDEST: readonly [number, number] = [2, 6];

function seriesOf(version: string): readonly [number, number] | undefined {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

export const isVersion = (version: string): boolean => seriesOf(version) !== undefined;

export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor, ownMinor] = seriesOf(version) ?? OLDEST;
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** @returns why the agent does nothing on this HAProxy; `undefined`: it works with it */
export function reasonTooOld(version: string): string | undefined {
  if (isAtLeast(version, ...OLDEST)) return undefined;
  return `HAProxy ${version} is too old, the agent needs 2.6 or later: older ones also load the dot-files of a certificate directory, so that a reload serves what the agent puts aside there or does not start`;
}
