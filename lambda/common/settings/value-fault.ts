/** What is wrong with a value: what is wanted, what was seen, what to write in its place. */
import { nearest } from '#common/nearest.ts';

/** A fault that a schema found: zod's issue, as far as it is read. */
export interface SchemaIssue {
  code?: string | undefined;
  path: PropertyKey[];
  message: string;
  expected?: string;
  values?: readonly unknown[];
  keys?: readonly string[];
  minimum?: number | bigint;
  maximum?: number | bigint;
  origin?: string;
  errors?: readonly (readonly SchemaIssue[])[];
  issues?: readonly SchemaIssue[];
}

export interface FaultyValue {
  value: unknown;
  /** As the file has it. */
  source: string | undefined;
  /** It must not be printed. */
  isSecret: boolean;
}

const WANTED: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  stringbool: 'true or false',
  array: 'a list',
  object: 'an object: "key: value" lines below it',
  record: 'an object: "key: value" lines below it',
};

export function valueFaultText(issue: SchemaIssue, seen: FaultyValue): string {
  const own = isOwnText(issue.message);
  const isMissing = seen.value === undefined;
  if (isMissing) return `is missing: wanted ${own ? ownWanted(issue.message) : wantedBy(issue)}`;
  if (own) return `${issue.message}${seenBehind(issue, seen)}`;
  return `wanted ${wantedBy(issue)}, saw ${seenText(seen)}${fixFor(issue, seen)}`;
}

/** Zod's own words are those of a programmer. */
const isOwnText = (message: string) => !/^(Invalid |Too (small|big))/.test(message);
const ownWanted = (message: string) => message.replace(/^(wanted|must be) /, '');

function wantedBy({ code, expected = '', values = [], minimum, maximum, origin }: SchemaIssue): string {
  if (code === 'invalid_union') {
    return [...new Set(values.map((kind) => WANTED[String(kind)] ?? kind))].join(', or ');
  }
  if (code === 'invalid_value') return values.map(String).join(', ');
  if (code === 'too_small') return `${countWord(origin, Number(minimum), 'at least')}`;
  if (code === 'too_big') return `${countWord(origin, Number(maximum), 'at most')}`;
  return WANTED[expected] ?? expected;
}

function countWord(origin: string | undefined, count: number, limit: string): string {
  if (origin === 'array')
    return count === 1 && limit === 'at least' ? 'at least one entry' : `${limit} ${count} entries`;
  if (origin === 'string')
    return count === 1 && limit === 'at least' ? 'a text' : `${limit} ${count} characters`;
  return `${limit} ${count}`;
}

/** A text of our own says what is wanted; some of them quote what they saw. */
function seenBehind({ code, message }: SchemaIssue, seen: FaultyValue): string {
  const { value } = seen;
  const saysWanted = /^(wanted|must) /.test(message) && !/\bsaw\b|did you mean/.test(message);
  if (!saysWanted || (typeof value === 'object' && value !== null) || code === 'too_small') return '';
  const fix = booleanFix(message.startsWith('must be true'), value);
  return seen.isSecret ? fix : `; saw ${seenText(seen)}${fix}`;
}

function seenText({ value, source, isSecret }: FaultyValue): string {
  if (value === null) return 'nothing behind the colon';
  if (value === '') return 'an empty text';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'keys and values';
  if (isSecret) return `a ${typeof value}`;
  const text = source ?? String(value);
  return typeof value === 'string' ? JSON.stringify(short(value)) : `the ${typeof value} ${short(text)}`;
}

const short = (text: string) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

function fixFor(issue: SchemaIssue, { value, source, isSecret }: FaultyValue): string {
  const { code, expected, values = [] } = issue;
  if (code === 'invalid_value' && typeof value === 'string') {
    const near = nearest(value.slice(0, 40), values.map(String), 1);
    return near.length > 0 ? `; did you mean ${near[0]}?` : '';
  }
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `: put it in quotes, "${short(source ?? String(value))}"`;
  }
  if (expected === 'array' && typeof value === 'string' && !isSecret) return `: write [${entriesIn(value)}]`;
  if (expected === 'array' && typeof value === 'object' && value !== null)
    return ': begin each entry with "- "';
  const isEither = expected === 'boolean' || (code === 'invalid_union' && values.includes('boolean'));
  if (isEither) return booleanFix(true, value) || booleanFix(false, value);
  if (expected === 'number' || expected === 'int') return numberFix(value);
  const isJoined = expected === 'object' && typeof value === 'string' && /^\w+:\S/.test(value);
  return isJoined ? ': a space is missing behind the colon' : '';
}

/** At most three, as an example. */
function entriesIn(text: string): string {
  const entries = text
    .trim()
    .split(/[\s,]+/)
    .slice(0, 3);
  return entries.map((entry) => (/^[^\s@:]+@[^\s@:]+$/.test(entry) ? `mailto:${entry}` : entry)).join(', ');
}

function numberFix(value: unknown): string {
  const [, digits, unit] = /^(\d+)\s*([a-z]*)$/i.exec(typeof value === 'string' ? value : '') ?? [];
  if (digits === undefined) return '';
  return unit ? ': write a number without a unit' : ': leave out the quotes';
}

/** YAML 1.1 and other programs have more words for both. */
function booleanFix(wanted: boolean, value: unknown): string {
  const words = wanted ? ['yes', 'y', 'on', 'true', '1'] : ['no', 'n', 'off', 'false', '0'];
  const isWord = words.includes(String(value).toLowerCase()) && typeof value !== 'boolean';
  return isWord ? `: write ${wanted}, without quotes` : '';
}
