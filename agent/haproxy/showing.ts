/** `show ssl cert NAME`, many of them on one connection. */
import type { RuntimeCommand } from './socket.ts';

/** Fits into the smallest buffer that people set (`tune.bufsize 4096`), whatever `haproxy.bufsize` says. */
const LINE_BYTES = 2048;
/** `@1 show ssl cert NAME;` without the name; the rest is for a backslash before each space. */
const COMMAND_BYTES = 24;

export function showing(filename: string): RuntimeCommand {
  return { verb: 'show ssl cert', operands: [filename], mayBeCut: true };
}

/** Portions of some 30 names; a name that is too long for a line stands alone. */
export function portionsOf(filenames: readonly string[]): string[][] {
  const portions: string[][] = [];
  let bytes = 0;
  for (const filename of filenames) {
    const more = Buffer.byteLength(filename) + COMMAND_BYTES;
    const portion = portions.at(-1);
    const isNew = portion === undefined || bytes + more > LINE_BYTES;
    if (isNew) portions.push([filename]);
    else portion.push(filename);
    bytes = isNew ? more : bytes + more;
  }
  return portions;
}
