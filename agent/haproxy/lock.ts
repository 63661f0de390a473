/**
 * HAProxy's one lock on certificates. A command that does not get it is refused, not queued: the agent tries again, and
 * when it gives up it says who holds it.
 */

/**
 * A client that lists certificates holds the lock; one that does not read holds it until `stats timeout`. While a client
 * lists without a pause, 2.6 refuses nine tries of ten: hence many tries, not long waits. Some ten seconds in all.
 */
export const LOCK_WAITS_MS = [5, 10, 20, 40, 80, ...Array.from({ length: 90 }, () => 100)];

export const isLocked = ({ text }: { text: string }): boolean => text.includes('currently locked');

/**
 * HAProxy 3.4.7 breaks its lock when it refuses `new ssl cert` or `set ssl cert` for it: as soon as its holder is done,
 * every certificate command is refused until the next reload. So there the agent asks a harmless command first.
 */
export const BROKEN =
  'and no client holds it: HAProxy 3.4 has lost its lock, which only a reload brings back';
export const BUSY =
  'and no client holds it all the time: other programs list or change certificates without a pause';

/**
 * Parses `show sess` for the client that does not read: HAProxy counts down to its `stats timeout`, as `wx=` (2.6) or `wex=`:
 *
 *     0x7fb7ea07f500: proto=unix_stream src=unix:1 fe=GLOBAL … age=1s … scf=[8,0h,fd=11,rex=9m58s,wex=9m58s] …
 *
 * @returns who holds the lock, and what to do; `undefined` where nobody does
 */
export function holderIn(sessions: string): string | undefined {
  const isWaiting = (line: string) => line.includes(' fe=GLOBAL ') && /[,[]we?x=\d/.test(line);
  const line = sessions.split('\n').find(isWaiting);
  if (line === undefined) return undefined;
  const [, source = 'the socket'] = / src=(\S+)/.exec(line) ?? [];
  const [, age = '?'] = / age=(\w+)/.exec(line) ?? [];
  return `a client of ${source}, connected for ${age}, holds it and does not read its answer: "ss -xp" shows its process; HAProxy ends it after its "stats timeout"`;
}
