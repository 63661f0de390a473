// A visitor who comes every 10 ms: what each name gets on the wire, and when it gets nothing.
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { handshake } from '../handshake.ts';

export interface Watch {
  /** Serials in the order of their first appearance, by name. */
  serials: Map<string, string[]>;
  /** `NAME: why`, each look without a certificate. */
  dark: string[];
  looks: number;
}

const EVERY_MS = 10;

/** @returns to call at the end: it makes a last look at each name */
export function watch(t: TestContext, port: number, names: readonly string[]): () => Promise<Watch> {
  const seen: Watch = { serials: new Map(names.map((name) => [name, []])), dark: [], looks: 0 };
  let isOver = false;
  const lookAt = async (name: string) => {
    seen.looks += 1;
    try {
      const { serial } = await handshake({ port, servername: name });
      const serials = seen.serials.get(name) ?? [];
      if (!serials.includes(serial)) serials.push(serial);
    } catch (error) {
      seen.dark.push(`${name}: ${(error as Error).message}`);
    }
  };
  const looking = (async () => {
    while (!isOver) {
      await Promise.all(names.map(lookAt));
      await sleep(EVERY_MS);
    }
    await Promise.all(names.map(lookAt));
  })();
  const end = async () => {
    isOver = true;
    await looking;
    return seen;
  };
  // A test that fails before its end must not look for ever.
  t.after(end);
  return end;
}
