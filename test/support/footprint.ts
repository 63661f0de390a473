// What a living process costs, as Linux counts it: proc(5).
import { readFileSync } from 'node:fs';

/** USER_HZ of every Linux that Node runs on */
const TICK_MS = 10;

export interface Footprint {
  /** user and system time so far */
  cpuMs: number;
  residentKb: number;
  /** what it alone has and has written to: what its end would give back */
  privateDirtyKb: number;
}

export function footprintOf(pid: number): Footprint {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  // none are left of a process that is just ending
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
  // after the name, which may hold blanks: the third field comes first
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const cpuMs = (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  return { cpuMs, residentKb: kb('Rss'), privateDirtyKb: kb('Private_Dirty') };
}
