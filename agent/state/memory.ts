/**
 * What this process knows from its earlier passes, by directory: a resident agent whose files are all deleted is no new host.
 * Not in a variable of a module: a program that makes two agents has two memories.
 */
import type { TrustRecord } from '../trust/record.ts';
import type { EndedPems } from './ended.ts';

/** Of a copy of a replaced file: as long as it is the same one, its certificate ends at the same time. */
export interface CopyEnd {
  keptAt: Date;
  /** undefined: nobody can tell. */
  notAfter: Date | undefined;
}

export interface ProcessMemory {
  trust: Map<string, TrustRecord>;
  ended: Map<string, EndedPems>;
  /** Copies of the last pass, by HAProxy's directory and path: a host that was adopted has one of each file. */
  copyEnds: Map<string, ReadonlyMap<string, CopyEnd>>;
}

export function newMemory(): ProcessMemory {
  return { trust: new Map(), ended: new Map(), copyEnds: new Map() };
}
