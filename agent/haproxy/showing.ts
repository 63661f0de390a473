/** `show ssl cert NAME`, many of them on one connection. */
import type { RuntimeCommand } from './socket.ts';

/** With more of them little is won; and where HAProxy cuts off one answer, all of its portion are asked for again. */
const AT_ONCE = 100;
/** `@1 show ssl cert NAME;` without its name, and some escapes. */
const COMMAND_BYTES = 24;

export function showing(filename: string): RuntimeCommand {
  return { verb: 'show ssl cert', operands: [filename], mayBeCut: true };
}

/** @param bufsize of HAProxy: a line of commands must fit into it, and half of it is enough */
export function portionsOf(filenames: readonly string[], bufsize: number): string[][] {
  const portions: string[][] = [];
  let bytes = 0;
  for (const filename of filenames) {
    const portion = portions.at(-1);
    const more = Buffer.byteLength(filename) + COMMAND_BYTES;
    const isFull = portion === undefined || portion.length === AT_ONCE || bytes + more > bufsize / 2;
    if (isFull) portions.push([filename]);
    else portion.push(filename);
    bytes = isFull ? more : bytes + more;
  }
  return portions;
}
