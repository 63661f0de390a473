/**
 * What this process knows from its earlier passes, by state directory: a resident agent whose files are all deleted is no new host.
 * Not in a variable of a module: a program that makes two agents has two memories.
 */
import type { TrustRecord } from '../trust/record.ts';
import type { EndedPems } from './ended.ts';

export interface ProcessMemory {
  trust: Map<string, TrustRecord>;
  ended: Map<string, EndedPems>;
}

export function newMemory(): ProcessMemory {
  return { trust: new Map(), ended: new Map() };
}
