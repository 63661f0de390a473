/**
 * How a proof takes its leave, so that HAProxy's log and counters do not know it from nothing (2.6, 3.0, 3.2 and 3.4 alike). A connection over
 * HTTP/2 that ends without a stream leaves no line, no request and no error. Over HTTP/1.1 one that ends without a request leaves a line
 * `<BADREQ>`, unless the frontend has `option dontlognull`, and counts as a request and an error of its source.
 */

/** RFC 7301; HAProxy takes the first of its own that is among them. */
export const PROTOCOLS: readonly string[] = ['h2', 'http/1.1'];

/** RFC 9113 §3.4: the preface and an empty SETTINGS frame; §6.8: GOAWAY without an error. Without them 3.x counts a glitch. */
const FAREWELL = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
  Buffer.from('0000080700000000000000000000000000', 'hex'),
]);

/** @param protocol that the bind has chosen */
export function farewellIn(protocol: string | false | null): Buffer | undefined {
  return protocol === 'h2' ? FAREWELL : undefined;
}
