// A visitor who comes every 50 ms and asks for the names that must be served in turn: a wrong certificate, or none, is remembered.
import { setTimeout as sleep } from 'node:timers/promises';
import { handshake } from '../handshake.ts';
import { serialOf } from './publish.ts';

const everyMs = 50;

export interface Visitor {
  /** From now on this PEM is right for the name, beside those before it. */
  allow(servername: string, pem: string): void;
  /** From now on only this PEM is right for the name, and the name must be served. */
  require(servername: string, pem: string): void;
  /** The name may be served or not. */
  excuse(servername: string): void;
  /** Asks once for each name at this port. @returns what was wrong */
  ask(port: number): Promise<string[]>;
  /** Ends the visits. */
  stop(): Promise<{ handshakes: number; wrong: string[] }>;
}

export function startVisitor(port: number): Visitor {
  const right = new Map<string, ReadonlySet<string>>();
  const required = new Set<string>();
  const visits = { handshakes: 0, wrong: [] as string[] };
  let isOver = false;

  const askFor = async (servername: string, at: number): Promise<string[]> => {
    const before = right.get(servername);
    const begin = new Date().toISOString();
    try {
      const { serial, chainLength } = await handshake({ port: at, servername });
      const isRight = before?.has(serial) || right.get(servername)?.has(serial);
      if (isRight && chainLength === 2) return [];
      return [`${begin} ${servername}: certificate ${serial} with a chain of ${chainLength}`];
    } catch (error) {
      // One that was excused meanwhile may be gone.
      return required.has(servername) ? [`${begin} ${servername}: ${(error as Error).message}`] : [];
    }
  };
  const ask = async (at: number) => {
    const wrong = await Promise.all([...required].map((servername) => askFor(servername, at)));
    return wrong.flat();
  };
  const work = (async () => {
    const open = new Set<Promise<void>>();
    while (!isOver) {
      const servername = [...required][visits.handshakes % required.size];
      if (servername !== undefined) {
        visits.handshakes += 1;
        const visit = askFor(servername, port)
          .then((wrong) => void visits.wrong.push(...wrong))
          .finally(() => open.delete(visit));
        open.add(visit);
      }
      await sleep(everyMs);
    }
    await Promise.all(open);
  })();
  return {
    allow: (servername, pem) =>
      void right.set(servername, new Set([...(right.get(servername) ?? []), serialOf(pem)])),
    require: (servername, pem) => {
      right.set(servername, new Set([serialOf(pem)]));
      required.add(servername);
    },
    excuse: (servername) => void required.delete(servername),
    ask,
    stop: async () => {
      isOver = true;
      await work;
      return visits;
    },
  };
}
