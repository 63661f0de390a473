/** Bodies from outside, read whole and never beyond a limit: what a server declares, and what it sends, may both lie. */
import type { Readable } from 'node:stream';

/** The body is larger than the reader allows; the rest of it was not read. */
export class BodyTooLarge extends Error {
  override name = 'BodyTooLarge';
  /** @param seen bytes, as declared or as read until now */
  constructor(maxBytes: number, seen: number | string) {
    super(`wanted at most ${maxBytes} bytes, saw ${seen}`);
  }
}

interface BodyBounds {
  maxBytes: number;
  /** For the whole body; absent: the caller ends the stream in time. */
  timeoutMs?: number;
  /** `Content-Length`; a larger one is refused before anything is read. */
  declared?: string | undefined;
}

/**
 * Copies each chunk into one growing buffer: a million chunks of one byte cost a megabyte. Destroys the stream when it refuses.
 * @throws BodyTooLarge; an error with the name `TimeoutError`; what the stream throws
 */
export async function readBody(
  stream: Readable,
  { maxBytes, timeoutMs, declared }: BodyBounds,
): Promise<Buffer> {
  const length = Number(declared ?? 0) || 0;
  if (length > maxBytes) {
    stream.destroy();
    throw new BodyTooLarge(maxBytes, length);
  }
  const late = () => stream.destroy(timeoutError(timeoutMs));
  const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
  try {
    return await collect(stream, maxBytes, length);
  } finally {
    clearTimeout(timer);
  }
}

async function collect(stream: Readable, maxBytes: number, length: number): Promise<Buffer> {
  let room = Buffer.allocUnsafe(Math.max(length, 1024));
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (bytes + chunk.length > maxBytes) throw new BodyTooLarge(maxBytes, `${bytes + chunk.length} and more`);
    if (bytes + chunk.length > room.length) {
      const larger = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(room.length * 2, bytes + chunk.length)));
      room.copy(larger, 0, 0, bytes);
      room = larger;
    }
    bytes += chunk.copy(room, bytes);
  }
  return room.subarray(0, bytes);
}

function timeoutError(timeoutMs: number | undefined): Error {
  return Object.assign(new Error(`no whole body within ${timeoutMs} ms`), { name: 'TimeoutError' });
}
