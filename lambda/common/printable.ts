/** Text from outside, made harmless for a log line or a terminal. */

/** One line: each run of control characters (C0, DEL, C1) becomes one space, so that none of them acts. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ');
}
