/** From what a schema refuses to lines for people: place, path, and what to do. */

import { descriptionAt, type JsonSchema } from './schema-keys.ts';
import { fileFault, type SettingsFile } from './settings-file.ts';
import { type KnownWords, unknownKeyText } from './unknown-key.ts';
import { type SchemaIssue, valueFaultText } from './value-fault.ts';

export interface Explanation {
  schema: JsonSchema;
  words: KnownWords;
  /** Keys below which values are not quoted. */
  secrets?: readonly string[];
  /** Where a value comes from, if not from the file: `--bucket`. */
  originOf?: (path: readonly PropertyKey[]) => string | undefined;
}

/** Faults that anybody reads at once; the same one in each of thousands of certificates is mended as one. */
const MAX_LINES = 50;
/** Of which these are looked at. */
const MAX_ISSUES = 200;

/** One fault, before it has a place. */
interface PlainFault {
  path: readonly PropertyKey[];
  part: 'key' | 'value';
  says: string;
}

/** One line for each fault, in the order of the file. */
export function explainIssues(
  source: SettingsFile,
  issues: readonly SchemaIssue[],
  explanation: Explanation,
): string[] {
  const faults = issues
    .slice(0, MAX_ISSUES)
    .flatMap(branchOf)
    .flatMap((issue) => faultsOf(source, issue, explanation));
  const placed = withoutConsequences(faults).map(({ path, part, says }) => {
    const origin = explanation.originOf?.(path);
    const name = settingPath(path) || '(whole file)';
    const place = source.placeOf(path, part);
    return origin === undefined
      ? { place, line: fileFault(source.file, place, `${name}: ${says}`) }
      : { place: { line: 0, column: 0 }, line: `${origin}: ${says}` };
  });
  placed.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  const lines = placed.slice(0, MAX_LINES).map(({ line }) => line);
  const more = placed.length - lines.length + Math.max(0, issues.length - MAX_ISSUES);
  return more === 0 ? lines : [...lines, `and ${more} more`];
}

/** A key that is missing because it has been written otherwise is one fault. */
function withoutConsequences(faults: readonly PlainFault[]): PlainFault[] {
  const unknown = faults.filter(({ part }) => part === 'key');
  const isMeant = (path: readonly PropertyKey[]) =>
    unknown.some(
      (other) =>
        settingPath(other.path.slice(0, -1)) === settingPath(path.slice(0, -1)) &&
        new RegExp(`did you mean (\\S+ or )*${String(path.at(-1))}\\b`).test(other.says),
    );
  return faults.filter(({ says, path }) => !(says.startsWith('is missing') && isMeant(path)));
}

/** Of several forms, the one that was meant: whose outermost kind fits. */
function branchOf(issue: SchemaIssue): SchemaIssue[] {
  const { code, errors = [], path, message } = issue;
  if (code !== 'invalid_union' || message !== 'Invalid input') return [issue];
  const fits = errors.filter((branch) => !branch.some((one) => one.path.length === 0 && isOtherKind(one)));
  const [meant] = fits;
  if (meant !== undefined) {
    return meant.map((one) => ({ ...one, path: [...path, ...one.path] })).flatMap(branchOf);
  }
  const kinds = errors
    .flatMap((branch) => branch.slice(0, 1))
    .map(({ expected, values }) => expected ?? values?.join());
  return [{ ...issue, values: [...new Set(kinds)] }];
}

const isOtherKind = ({ code }: SchemaIssue) => code === 'invalid_type' || code === 'invalid_value';

function faultsOf(source: SettingsFile, issue: SchemaIssue, explanation: Explanation): PlainFault[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    return (issue.keys ?? []).map((key) => {
      return { path: [...path, key], part: 'key', says: unknownKeyText(key, path, explanation) };
    });
  }
  if (issue.code === 'invalid_key') {
    return [{ path, part: 'key', says: issue.issues?.[0]?.message ?? issue.message }];
  }
  const value = path.reduce<unknown>(childOf, source.value);
  if (path.length === 0 && (value === undefined || value === null)) {
    const keys = explanation.schema.required?.join(', ');
    return [{ path, part: 'value', says: `the file is empty, but for comments: wanted ${keys}` }];
  }
  const isSecret = path.some((step) => explanation.secrets?.includes(String(step))) || hasPassword(value);
  // An entry of a list that came in one word.
  if (value === undefined && explanation.originOf?.(path) !== undefined) {
    return [{ path, part: 'value', says: issue.message }];
  }
  const text = valueFaultText(issue, { value, source: source.sourceOf(path), isSecret });
  const about = value === undefined ? descriptionAt(explanation.schema, path) : undefined;
  const says = about === undefined ? text : `${text}. ${about}`;
  return [{ path, part: 'value', says }];
}

/** `https://user:password@host/` */
const hasPassword = (value: unknown) => typeof value === 'string' && /\/\/[^/]*@/.test(value);

function childOf(value: unknown, step: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<PropertyKey, unknown>)[step];
}

/** `certificates[0].names` */
function settingPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`))
    .join('');
}
