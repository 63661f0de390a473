/** Bodies from outside, read whole and never beyond a limit: what a server declares, and what it sends, may both lie. */
import type { Readable } from 'node:stream';
import { dropChunks, oneAtATime } from '#common/net/large-bodies.ts';

/** The body is larger than the reader allows; the rest of it was not read. */
export class BodyTooLarge extends Error {
  override name = 'BodyTooLarge';
  readonly code = 'EFBIG';
  /** @param seen bytes, as declared or as read until now */
  constructor(maxBytes: number, seen: number | string) {
    super(`wanted at most ${maxBytes} bytes, saw ${seen}`);
  }
}

interface BodyBounds {
  maxBytes: number;
  /** For the whole body; absent: the caller ends the stream in time. */
  timeoutMs?: number | undefined;
  /** `Content-Length`; a larger one is refused before anything is read. */
  declared?: string | undefined;
  /**
   * By which the caller ends the request. Without a declared length, the end of the connection is the end of the body: one that the signal
   * has closed is no whole body.
   */
  signal?: AbortSignal | undefined;
}

/** Of a body that does not say how long it is. */
const [FIRST_BYTES, BLOCK_BYTES] = [4096, 262_144];
/** Then the chunks are collected: all of them together are as large as the body. */
const COPIED_BYTES = 4_194_304;

/**
 * Copies each chunk into a block: a million chunks of one byte cost a megabyte. Destroys the stream when it refuses.
 * @throws BodyTooLarge; an error with the name `TimeoutError`; the reason of the signal; what the stream throws
 */
export async function readBody(
  stream: Readable,
  { maxBytes, timeoutMs, declared, signal }: BodyBounds,
): Promise<Buffer> {
  const length = Number(declared ?? 0) || 0;
  if (length > maxBytes) {
    stream.destroy();
    throw new BodyTooLarge(maxBytes, length);
  }
  const read = () => readWhole(stream, length, { maxBytes, timeoutMs, signal });
  return oneAtATime(length, read, signal).catch((error: unknown) => {
    // Where it has not had its turn, nothing has ended it.
    stream.destroy();
    throw error;
  });
}

async function readWhole(
  stream: Readable,
  length: number,
  { maxBytes, timeoutMs, signal }: BodyBounds,
): Promise<Buffer> {
  const late = () => stream.destroy(timeoutError(timeoutMs));
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
  try {
    const body = await collect(stream, maxBytes, length);
    signal?.throwIfAborted();
    return body;
  } finally {
    clearTimeout(timer);
  }
}

async function collect(stream: Readable, maxBytes: number, length: number): Promise<Buffer> {
  const full: Buffer[] = [];
  let block = Buffer.allocUnsafe(Math.max(length, FIRST_BYTES));
  let [used, before, copied] = [0, 0, 0];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = before + used + chunk.length;
    if (bytes > maxBytes) throw new BodyTooLarge(maxBytes, `${bytes} and more`);
    const fits = chunk.copy(block, used);
    used += fits;
    copied += chunk.length;
    if (copied >= COPIED_BYTES) {
      dropChunks();
      copied = 0;
    }
    if (fits === chunk.length) continue;
    full.push(block);
    before += used;
    block = Buffer.allocUnsafe(Math.max(BLOCK_BYTES, chunk.length));
    used = chunk.copy(block, 0, fits);
  }
  const last = block.subarray(0, used);
  return full.length === 0 ? last : Buffer.concat([...full, last]);
}

function timeoutError(timeoutMs: number | undefined): Error {
  return Object.assign(new Error(`no whole body within ${timeoutMs} ms`), { name: 'TimeoutError' });
}
