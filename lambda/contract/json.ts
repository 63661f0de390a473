/**
 * JSON from outside, bounded before it is parsed: a megabyte of `{}` becomes a hundred of objects, a million `[` a deep recursion in
 * whoever walks through them, and a checker that collects what is wrong with each of them costs more than both.
 */

export interface JsonBounds {
  /** Of objects and arrays in one another. Our own documents have seven. */
  maxDepth: number;
  /** Objects, arrays, and the members of both. An entry of a manifest has some fifty. */
  maxValues: number;
  /** Elements of one array: what is wrong with each of them takes more memory than itself. */
  maxItems: number;
  /** Bytes of one string, escapes included. */
  maxStringBytes: number;
}

/** 10,000 pairs with OCSP responses and their previous publications have some 800,000; no text of ours has a string of this length. */
const BOUNDS: JsonBounds = { maxDepth: 32, maxValues: 1_500_000, maxItems: 10_000, maxStringBytes: 65_536 };

/** Not JSON, or beyond a bound. The message quotes nothing of the text. */
export class JsonRefused extends Error {
  override name = 'JsonRefused';
}

/** @throws JsonRefused */
export function parseJson(body: Buffer, bounds: Partial<JsonBounds> = {}): unknown {
  checkBounds(body, { ...BOUNDS, ...bounds });
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // The parser's own message quotes the text: it must not become ours.
    throw new JsonRefused(`is not JSON (${body.length} bytes)`);
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** One walk over the bytes; in UTF-8 no byte of a longer character looks like one of these. */
function checkBounds(body: Buffer, { maxDepth, maxValues, maxItems, maxStringBytes }: JsonBounds): void {
  let [depth, values] = [0, 0];
  // By depth: elements of the open array; far below zero, the members of the open object.
  const items = new Int32Array(maxDepth + 1);
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) {
      const end = endOfString(body, at + 1);
      if (end - at > maxStringBytes) throw beyond(maxStringBytes, 'bytes in a string');
      at = end;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth += 1;
      values += 1;
      if (depth > maxDepth) throw beyond(maxDepth, 'levels of nesting');
      items[depth] = byte === OPEN_ARRAY ? 1 : -maxValues;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
    } else if (byte === COMMA) {
      values += 1;
      items[depth] = (items[depth] ?? 0) + 1;
      if ((items[depth] ?? 0) > maxItems) throw beyond(maxItems, 'elements of an array');
    }
    if (values > maxValues) throw beyond(maxValues, 'values');
  }
}

/** @returns where the closing quote is; behind the last byte, if there is none */
function endOfString(body: Buffer, from: number): number {
  for (let at = from; at < body.length; at += 1) {
    if (body[at] === BACKSLASH) at += 1;
    else if (body[at] === QUOTE) return at;
  }
  return body.length;
}

function beyond(limit: number, what: string): JsonRefused {
  return new JsonRefused(`wanted at most ${limit} ${what}, saw more`);
}
