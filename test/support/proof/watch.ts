/** A visitor of all names, who comes every 50 ms: what each gets must be ours, for it, valid, and never older than what it got before. */
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Handshake, handshake } from '../handshake.ts';
import type { OrderedLeaf } from './issuer.ts';

/** When a visitor comes again. */
const EVERY_MS = 50;

/** By serial. */
type IssuedLeaves = ReadonlyMap<string, OrderedLeaf>;

/** A name at a port of HAProxy. */
export interface Place {
  host: string;
  port: number;
  servername: string;
}

export interface Visits {
  handshakes: number;
  /** `HOST NAME: what it got`. */
  wrong: string[];
  /** `HOST NAME: why it got nothing`. */
  missing: string[];
}

/** Asks for each place once. @returns what was wrong or missing, one line each */
export async function visit(
  places: readonly Place[],
  issued: IssuedLeaves,
  now = new Date(),
): Promise<string[]> {
  const lines = await Promise.all(
    places.map(async (place) => {
      const seen = await handshakeAt(place);
      const problem = seen instanceof Error ? seen.message : problemOf(seen, place, issued, now);
      return problem === undefined ? [] : [`${place.host} ${place.servername}: ${problem}`];
    }),
  );
  return lines.flat();
}

/** @returns to call at the end: it comes a last time */
export function startWatch(
  t: Pick<TestContext, 'after'>,
  placesOf: () => readonly Place[],
  issued: IssuedLeaves,
): () => Promise<Visits> {
  const visits: Visits = { handshakes: 0, wrong: [], missing: [] };
  /** The newest that each place has handed out. */
  const newest = new Map<string, number>();
  const visitOne = async (place: Place) => {
    visits.handshakes += 1;
    const key = `${place.host} ${place.servername}`;
    const before = newest.get(key) ?? -1;
    const at = new Date();
    const seen = await handshakeAt(place);
    if (seen instanceof Error) {
      visits.missing.push(`${at.toISOString()} ${key}: ${seen.message}`);
      return;
    }
    const { number = -1 } = issued.get(seen.serial) ?? {};
    const problem =
      problemOf(seen, place, issued, at) ?? (number < before ? 'an older one again' : undefined);
    newest.set(key, Math.max(number, newest.get(key) ?? -1));
    if (problem !== undefined) visits.wrong.push(`${at.toISOString()} ${key}: ${problem}`);
  };
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      const next = sleep(EVERY_MS);
      await Promise.all(placesOf().map(visitOne));
      await next;
    }
    await Promise.all(placesOf().map(visitOne));
  })();
  const end = async () => {
    isOver = true;
    await work;
    return visits;
  };
  // A test that fails before its end must not go on for ever.
  t.after(end);
  return end;
}

async function handshakeAt({ port, servername }: Place): Promise<Handshake | Error> {
  try {
    return await handshake({ port, servername });
  } catch (error) {
    return error as Error;
  }
}

function problemOf(
  { serial, names, notAfter, chainLength }: Handshake,
  { servername }: Place,
  issued: IssuedLeaves,
  now: Date,
): string | undefined {
  if (!issued.has(serial)) return `${serial}, which our issuer has not ordered`;
  if (!names.includes(servername)) return `${serial}, which is for ${names.join()}`;
  if (notAfter < now) return `${serial}, which has expired`;
  return chainLength === 2 ? undefined : `a chain of ${chainLength}`;
}
