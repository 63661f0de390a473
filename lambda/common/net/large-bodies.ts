/**
 * Large bodies one after another: whoever has read one has parsed it before the next is read, and what is left of it is collected first. By
 * itself the engine waits for far more garbage: a document of 32 MiB leaves its bytes, its text and the strings in it, a megabyte of `{}`
 * twelve of objects.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Before smaller ones nobody looks at the heap. */
const COUNTED_BYTES = 2 ** 18;
const LARGE_BYTES = 4 * 2 ** 20;
/** A collection takes the longer, the more is alive: of documents that leave little, it comes after many. */
const GARBAGE_BYTES = 24 * 2 ** 20;

let last: Promise<void> = Promise.resolve();
/** Right after the last collection. */
let aliveBytes = 0;
type Collector = (options?: { type: 'minor' }) => void;
let collectGarbage: Collector | undefined;

/**
 * @param bytes as declared
 * @param signal ends the wait, too
 * @throws what `read` throws; the reason of the signal
 */
export async function oneAtATime<T>(bytes: number, read: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  if (bytes < LARGE_BYTES) return readCounted(bytes, read);
  const before = last;
  let end = () => {};
  last = new Promise((resolve) => {
    end = resolve;
  });
  try {
    await unlessAborted(before, signal);
  } catch (error) {
    // The one before is still being read, and the next one waits for that.
    void before.then(end);
    throw error;
  }
  try {
    return await readCounted(bytes, read);
  } finally {
    // The caller parses it in between.
    setImmediate(end);
  }
}

function unlessAborted(turn: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return turn;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    void turn.then(resolve).finally(() => signal.removeEventListener('abort', abort));
  });
}

function readCounted<T>(bytes: number, read: () => Promise<T>): Promise<T> {
  if (bytes >= COUNTED_BYTES && heldBytes() - aliveBytes + bytes >= GARBAGE_BYTES) {
    collector()();
    aliveBytes = heldBytes();
  }
  return read();
}

/** With what Buffers hold outside of the heap. */
function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

/** Of a body that is being read: they are young, and have been copied. */
export function dropChunks(): void {
  collector()({ type: 'minor' });
}

function collector(): Collector {
  if (collectGarbage === undefined) {
    // Gives the function to contexts that are made from now on, and to no other.
    setFlagsFromString('--expose-gc');
    collectGarbage = runInNewContext('gc') as Collector;
    setFlagsFromString('--no-expose-gc');
    // Else the bytes of collected buffers are given back by another thread, later than the next body takes its own.
    setFlagsFromString('--no-concurrent-array-buffer-sweeping');
  }
  return collectGarbage;
}
