/** Reads the audit trail, and finds what was changed in it, taken out of it, or put in another order. */
import { inParallel } from '#common/in-parallel.ts';
import { digest } from '#contract/combined-pem.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readUnlessSpoilt } from '#storage/cached-document.ts';
import { type AuditHead, headText, readAuditHead, type StoredHead } from './head.ts';
import { type AuditLine, CHAIN_START, type ChainEnd, lineHash, parseLine } from './line.ts';

const CONCURRENCY = 10;
/** After so many, the trail is no trail. */
const MAX_PROBLEMS = 20;

/** Of one object, in their order. */
interface StoredLines {
  key: string;
  /** Undefined: it cannot be read. */
  text: string | undefined;
}

export interface ReadTrail {
  /** Lines that can be read. */
  lines: AuditLine[];
  /** Where it ends; undefined: nothing was ever written. */
  end: ChainEnd | undefined;
  /** What is wrong with it, in its order; none: it is as it was written. */
  problems: string[];
}

/**
 * @param noted where it ended at an earlier time, as somebody has noted it elsewhere
 * @throws BucketError where the store is out of reach
 */
export async function readTrail(bucket: Bucket, noted?: ChainEnd): Promise<ReadTrail> {
  // The head first: lines that come later are no fault.
  const head = await readAuditHead(bucket);
  const keys = (await bucket.list(layout.auditTrail)).filter((key) => key !== layout.auditHead);
  const objects = await inParallel(
    keys,
    CONCURRENCY,
    async (key): Promise<StoredLines> => {
      return { key, text: (await readUnlessSpoilt(bucket, key))?.body.toString('utf8') };
    },
    (key) => key,
  );
  return checkTrail(objects, head, noted);
}

function checkTrail(objects: readonly StoredLines[], stored: StoredHead, noted?: ChainEnd): ReadTrail {
  const problems: string[] = [];
  const lines: AuditLine[] = [];
  let end = CHAIN_START;
  let atHead: Placed | undefined;
  let hashAtNoted: string | undefined;
  for (const [index, { key, text }] of objects.entries()) {
    const wanted = layout.auditLines(index + 1);
    if (key !== wanted) problems.push(`wanted the object ${wanted}, saw ${key}`);
    if (text === undefined || !text.endsWith('\n')) problems.push(`${key}: cannot be read, or is cut off`);
    for (const [at, lineText] of (text ?? '').replace(/\n$/, '').split('\n').entries()) {
      const line = parseLine(lineText);
      const problem = problemOf(line, end);
      if (problem !== undefined) problems.push(`${key}, line ${at + 1}: ${problem}`);
      if (line !== undefined) lines.push(line);
      if (line?.action === 'head-restored' && line.sequence > (noted?.sequence ?? 0)) {
        problems.push(
          `${key}, line ${at + 1}: the head was missing before it: lines may have been taken off the end; whoever knows better notes a later end (--noted)`,
        );
      }
      end = { sequence: line?.sequence ?? end.sequence + 1, hash: lineHash(lineText) };
      if (end.sequence === noted?.sequence) hashAtNoted = end.hash;
      if (end.sequence === stored.head?.sequence) atHead = { hash: end.hash, object: index + 1 };
    }
  }
  const isEmpty = objects.length === 0 && stored.sha256 === undefined;
  const ofHead = isEmpty ? undefined : headProblem(stored, end, atHead);
  const all = ofHead === undefined ? problems : [...problems, ofHead];
  if (noted !== undefined && hashAtNoted !== noted.hash) {
    all.push(
      `wanted line ${noted.sequence} as ${noted.hash}, saw ${hashAtNoted ?? 'no such line'}: it is another trail`,
    );
  }
  return { lines, end: isEmpty ? undefined : end, problems: all.slice(0, MAX_PROBLEMS) };
}

function problemOf(line: AuditLine | undefined, end: ChainEnd): string | undefined {
  if (line === undefined) return 'is no line of the trail: it was changed';
  const wanted = end.sequence + 1;
  if (line.sequence > wanted) return `lines ${wanted} to ${line.sequence - 1} are missing`;
  if (line.sequence < wanted)
    return `wanted number ${wanted}, saw ${line.sequence}: lines were put in another order`;
  if (line.previous !== end.hash) return `number ${line.sequence}: the line before it was changed`;
  return undefined;
}

/** Where the line is that the head names. */
type Placed = Pick<AuditHead, 'hash' | 'object'>;

function headProblem(
  { head, sha256 }: StoredHead,
  end: ChainEnd,
  atHead: Placed | undefined,
): string | undefined {
  const key = layout.auditHead;
  if (head === undefined || digest(headText(head)) !== sha256) return `${key}: is missing, or was changed`;
  if (head.sequence > end.sequence) {
    return `lines ${end.sequence + 1} to ${head.sequence} are missing at the end of the trail`;
  }
  if (atHead?.hash === head.hash && atHead.object === head.object) return undefined;
  return `${key}: wanted line ${head.sequence} as ${head.hash}, saw ${atHead?.hash ?? 'none'}`;
}
