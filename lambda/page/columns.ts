/** Hosts that serve the same stand in one column; those that differ from what is published come first. Pure. */
import type { PageCell, PageFleet } from './facts.ts';

/** So many hosts have a column each. */
const MAX_SINGLE = 6;
/** More groups than these are one. */
const MAX_GROUPS = 6;

export interface HostColumn {
  title: string;
  /** Places in the fleet's hosts. */
  members: readonly number[];
  isSilent: boolean;
  /** Certificates that a member does not serve as published. */
  differences: number;
}

export function columnsOf(fleet: PageFleet): HostColumn[] {
  const groups = new Map<string, number[]>();
  const isEach = fleet.hosts.length <= MAX_SINGLE;
  for (const [index, { isSilent, host }] of fleet.hosts.entries()) {
    const key = isEach ? host : `${isSilent} ${stateText(fleet, index)}`;
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [index]);
    else members.push(index);
  }
  const columns = [...groups.values()].map((members) => columnOf(fleet, members));
  const sorted = columns.sort(
    (a, b) => weightOf(b) - weightOf(a) || (a.members[0] ?? 0) - (b.members[0] ?? 0),
  );
  if (sorted.length <= MAX_SINGLE) return sorted;
  const others = sorted.slice(MAX_GROUPS - 1).flatMap(({ members }) => members);
  const merged = { ...columnOf(fleet, others), title: `${others.length} others` };
  return [...sorted.slice(0, MAX_GROUPS - 1), merged];
}

const weightOf = ({ differences, isSilent }: HostColumn) => differences + (isSilent ? 0.5 : 0);

function stateText({ certificates }: PageFleet, index: number): string {
  return certificates.map(({ cells }) => cellKey(cells[index])).join();
}

const cellKey = (cell: PageCell | undefined) => `${cell?.state} ${cell?.serial ?? ''}`;

function columnOf({ hosts, certificates }: PageFleet, members: readonly number[]): HostColumn {
  const [first = 0] = members;
  const differs = certificates.filter(({ cells }) =>
    members.some((index) => cells[index]?.state !== 'served'),
  );
  return {
    title: members.length === 1 ? (hosts[first]?.host ?? '') : `${members.length} hosts alike`,
    members,
    isSilent: members.every((index) => hosts[index]?.isSilent),
    differences: differs.length,
  };
}

/** What a column shows of one certificate. */
export interface ColumnCell {
  /** Undefined: its hosts differ. */
  state: PageCell['state'] | undefined;
  served: number;
  all: number;
  serial?: string | undefined;
  /** The oldest; undefined: not all have one. */
  provenAt?: string | undefined;
}

export function columnCell(cells: readonly PageCell[], { members }: HostColumn): ColumnCell {
  const own = members.flatMap((index) => cells[index] ?? []);
  const proofs = own.map(({ provenAt }) => provenAt).sort();
  const isProved = own.length > 0 && proofs.every((proof) => proof !== undefined);
  const isAlike = new Set(own.map((cell) => cellKey(cell))).size === 1;
  return {
    state: isAlike ? own[0]?.state : undefined,
    served: own.filter(({ state }) => state === 'served').length,
    all: own.length,
    serial: isAlike ? own[0]?.serial : undefined,
    provenAt: isProved ? proofs[0] : undefined,
  };
}

/** Of the proofs of a row: 0 is not served, 1 without a proof, then their age by a scale whose steps are a fifth. */
const SCALE = 1.2;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_~';
const MINUTE = 60_000;

/** One character for each host, without the end that only repeats itself: the script makes a list of it when somebody asks. */
export function packedProofs(cells: readonly PageCell[], now: Date): string {
  const text = cells.map((cell) => digitOf(cell, now)).join('');
  return text.replace(/(.)\1+$/, '$1');
}

function digitOf({ state, provenAt }: PageCell, now: Date): string {
  if (state !== 'served') return DIGITS.charAt(0);
  if (provenAt === undefined) return DIGITS.charAt(1);
  const minutes = Math.max(1, (now.getTime() - Date.parse(provenAt)) / MINUTE);
  const step = Math.round(Math.log(minutes) / Math.log(SCALE));
  return DIGITS.charAt(Math.min(DIGITS.length - 1, 2 + step));
}
