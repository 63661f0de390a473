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
let collectGarbage: (() => void) | undefined;

/** @param bytes as declared */
export async function oneAtATime<T>(bytes: number, read: () => Promise<T>): Promise<T> {
  if (bytes < LARGE_BYTES) return readCounted(bytes, read);
  const before = last;
  let end = () => {};
  last = new Promise((resolve) => {
    end = resolve;
  });
  await before;
  try {
    return await readCounted(bytes, read);
  } finally {
    // The caller parses it in between.
    setImmediate(end);
  }
}

function readCounted<T>(bytes: number, read: () => Promise<T>): Promise<T> {
  if (bytes >= COUNTED_BYTES && heldBytes() - aliveBytes + bytes >= GARBAGE_BYTES) {
    collect();
    aliveBytes = heldBytes();
  }
  return read();
}

/** With what Buffers hold outside of the heap. */
function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

function collect(): void {
  if (collectGarbage === undefined) {
    // Gives the function to contexts that are made from now on, and to no other.
    setFlagsFromString('--expose-gc');
    collectGarbage = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
    // Else the bytes of collected buffers are given back by another thread, later than the next body takes its own.
    setFlagsFromString('--no-concurrent-array-buffer-sweeping');
  }
  collectGarbage();
}
