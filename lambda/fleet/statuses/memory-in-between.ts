/**
 * Gives memory back in the midst of much reading. V8 lets garbage grow to more than what lives, and does not see that the bodies of S3 and
 * of files are the greater part of it: a hundred statuses of a megabyte each took 380 MB, of which 50 were alive.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A fleet of a few hosts never comes to it; a collection takes some 50 ms. */
const SLICE_BYTES = 16 * 1024 * 1024;

let collect: (() => void) | undefined;

function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}

export class MemoryInBetween {
  #bytes = 0;
  #hasCollected = false;

  /** @param bytes that were read, and are garbage soon */
  spent(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < SLICE_BYTES) return;
    this.#bytes = 0;
    this.#hasCollected = true;
    collectGarbage();
  }

  /** After the last of it. */
  end(): void {
    if (this.#hasCollected) collectGarbage();
  }
}
