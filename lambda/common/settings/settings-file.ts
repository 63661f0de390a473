/** A file of settings in YAML: its value, and where in the file each part of it stands. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
} from 'yaml';
import { ConfigError } from '#common/config-error.ts';
import { documentFaults, type FileKind, manyAliasesFault, wrongKindOfFile } from './yaml-faults.ts';

export interface Position {
  line: number;
  column: number;
}

/** A fault with its place, for `fileFault`. */
export interface YamlFault extends Position {
  says: string;
}

export interface SettingsFile {
  file: string;
  value: unknown;
  /** Of the key at the end of the path, or of what stands there; of something that is missing, of what it is missing in. */
  placeOf: (path: readonly PropertyKey[], part?: 'key' | 'value') => Position;
  /** As it is written, without quotes: `0123` for the number 123. */
  sourceOf: (path: readonly PropertyKey[]) => string | undefined;
}

/** @throws ConfigError `ERR_CONFIG`, with the place of each fault */
export function parseSettings(file: string, text: string, kind: FileKind): SettingsFile {
  const wrong = wrongKindOfFile(text, kind);
  if (wrong !== undefined) throw new ConfigError('ERR_CONFIG', `${file}: ${wrong}`);
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, logLevel: 'silent' } as const;
  const parsed = parseAllDocuments(text, options);
  const documents: readonly Document[] = [...parsed];
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = documentFaults(documents, kind).map(({ offset, says }) => ({ ...at(offset), says }));
  if (faults.length > 0) throw refusedFile(file, faults);
  const [document] = documents;
  return { file, value: plainValueOf(file, document, at), ...locatorOf(document, at) };
}

/** `pemfleet.yaml:7:5: says`: editors and terminals lead there. */
export const fileFault = (file: string, { line, column }: Position, says: string) =>
  `${file}:${line}:${column}: ${says}`;

function refusedFile(file: string, faults: readonly YamlFault[]): ConfigError {
  const lines = faults.map((fault) => fileFault(file, fault, fault.says));
  const [only = ''] = lines;
  const text =
    lines.length === 1 ? only : `${file} is not YAML:\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new ConfigError('ERR_CONFIG', text);
}

/** @throws ConfigError for aliases of aliases, which would fill the memory: the parser counts them */
function plainValueOf(
  file: string,
  document: Document | undefined,
  at: (offset: number) => Position,
): unknown {
  try {
    return document?.toJS() ?? undefined;
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const fault = manyAliasesFault(document);
    throw refusedFile(file, [{ ...at(fault.offset), says: fault.says }]);
  }
}

function locatorOf(document: Document | undefined, at: (offset: number) => Position) {
  const start = { line: 1, column: 1 };
  const placeOf = (path: readonly PropertyKey[], part: 'key' | 'value' = 'value'): Position => {
    let node: unknown = document?.contents;
    let place = isNode(node) && node.range ? at(node.range[0]) : start;
    for (const [index, step] of path.entries()) {
      const { key, value } = stepInto(document, node, step);
      if (key === undefined && value === undefined) return place;
      const isLast = index === path.length - 1;
      const shown = isLast && part === 'value' && hasText(value) ? value : (key ?? value);
      if (shown?.range) place = at(shown.range[0]);
      node = value;
    }
    return place;
  };
  const sourceOf = (path: readonly PropertyKey[]): string | undefined => {
    let node: unknown = document?.contents;
    for (const step of path) node = stepInto(document, node, step).value;
    return isScalar(node) ? node.source : undefined;
  };
  return { placeOf, sourceOf };
}

/** An empty value has a place behind its key, which nobody sees. */
const hasText = (node: Node | undefined) => node !== undefined && !(isScalar(node) && node.source === '');

function stepInto(
  document: Document | undefined,
  node: unknown,
  step: PropertyKey,
): { key?: Node | undefined; value?: Node | undefined } {
  const target = isAlias(node) && document ? node.resolve(document) : node;
  if (isSeq(target)) return { value: nodeOf(target.items[Number(step)]) };
  if (!isMap(target)) return {};
  const pair = target.items.find((one: Pair) => isPair(one) && keyText(one.key) === String(step));
  return pair === undefined ? {} : { key: nodeOf(pair.key), value: nodeOf(pair.value) };
}

const keyText = (key: unknown) => String(isScalar(key) ? key.value : key);
const nodeOf = (value: unknown): Node | undefined => (isNode(value) ? value : undefined);
