/** What is wrong with a text as YAML, in words for people who seldom write any. */
import { type Document, isMap, isScalar, isSeq, type Scalar, visit, type YAMLError } from 'yaml';

/** What reads the file, for the words of a fault. */
export interface FileKind {
  /** `pemfleet.yaml` */
  name: string;
  /** How a value comes from the environment, since the file takes none from there. */
  environment: string;
  /** Words of a shell may stand here. */
  mayHoldVariables?: (path: readonly PropertyKey[]) => boolean;
}

export interface TextFault {
  /** Characters before it. */
  offset: number;
  says: string;
}

/** HAProxy's sections begin a line; in YAML a word alone does not. */
const HAPROXY = /^(global|defaults|(frontend|backend|listen)\s+\S+)\s*$/m;

/** @returns what it is instead, for files that are likely to be named by mistake */
export function wrongKindOfFile(text: string, { name }: FileKind): string | undefined {
  const wanted = `wanted ${name} in YAML: is it the right file?`;
  if (/^-----BEGIN [A-Z ]+-----/m.test(text)) return `it holds a PEM (certificate or key); ${wanted}`;
  if (HAPROXY.test(text) && /^\s+(bind|mode|server|timeout)\s/m.test(text)) {
    return `it is a configuration of HAProxy; ${wanted}`;
  }
  if (/^\[[A-Za-z_ ]+\]\s*$/m.test(text) && /^\s*[\w-]+\s*=/m.test(text))
    return `it is an INI file; ${wanted}`;
  if (/^#!/.test(text)) return `it is a script; ${wanted}`;
  return undefined;
}

/** @returns all faults; of those that follow from one another, the first */
export function documentFaults(documents: readonly Document[], kind: FileKind): TextFault[] {
  const [first, second] = documents.filter(({ contents, errors }) => contents !== null || errors.length > 0);
  const broken = documents.flatMap(({ errors }) => errors).slice(0, 1);
  if (broken.length > 0) return [broken[0]].flatMap((error) => (error ? [syntaxFault(error, first)] : []));
  if (second !== undefined) {
    const offset = second.contents?.range?.[0] ?? 0;
    const says = `a second document begins here ("---" divides them); wanted one: put the keys of both into one`;
    return [{ offset, says }];
  }
  if (first === undefined) return [];
  return [...tagFaults(first), ...aliasFaults(first), ...variableFaults(first, kind)].sort(
    (a, b) => a.offset - b.offset,
  );
}

const SYNTAX: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab; YAML takes spaces only for the indentation: put two spaces in its place',
  BAD_SCALAR_START: 'a value must not begin with @ or `: put it in quotes',
  BAD_DQ_ESCAPE: 'a backslash before a letter that needs none: put the text in single quotes',
  MULTILINE_IMPLICIT_KEY: 'a key without a colon and a space behind it: wanted "key: value"',
};

function syntaxFault(error: YAMLError, document: Document | undefined): TextFault {
  const [offset] = error.pos;
  const what = SYNTAX[error.code];
  if (error.code === 'DUPLICATE_KEY') return duplicateFault(offset, document);
  if (error.code === 'BLOCK_AS_IMPLICIT_KEY') {
    const says =
      'a second "key: " in one line, or a line that is indented too far; put each key into a line of its own, and a text with ": " into quotes';
    return { offset, says };
  }
  if (error.code === 'MISSING_CHAR' && /closing/.test(error.message)) return openQuoteFault(offset, document);
  if (/end with a? ?[\]}]/.test(error.message)) return openFlowFault(offset, document);
  if (/call stack/.test(error.message)) return { offset, says: 'nested too deeply: is it the right file?' };
  return { offset, says: `not YAML: ${what ?? error.message}` };
}

/** The parser sees it where the text would end by its indentation: in a file with several quotes, the last one that opens before. */
function openQuoteFault(end: number, document: Document | undefined): TextFault {
  let offset = end;
  if (document) {
    visit(document, {
      Scalar: (_, { type, range }) => {
        if (type?.startsWith('QUOTE') && range && range[0] < end) offset = range[0];
      },
    });
  }
  return { offset, says: 'not YAML: a text in quotes that has no end: close the quotes' };
}

/** The parser sees it in the line behind; of brackets in brackets, the outer ones end with the inner ones. */
function openFlowFault(end: number, document: Document | undefined): TextFault {
  let offset = end;
  let says = 'brackets that have no end: close them';
  if (document) {
    visit(document, {
      Collection: (_, node) => {
        if (!node.flow || node.range?.[1] !== end) return;
        offset = node.range[0];
        says = isSeq(node)
          ? 'a list in brackets that has no end: close it with ]'
          : 'keys in braces that have no end: close them with }';
      },
    });
  }
  return { offset, says: `not YAML: ${says}` };
}

function duplicateFault(offset: number, document: Document | undefined): TextFault {
  let key = '';
  if (document) {
    visit(document, {
      Pair: (_, pair) => {
        if (isScalar(pair.key) && pair.key.range?.[0] === offset) key = String(pair.key.value);
      },
    });
  }
  return { offset, says: `${key}: stands twice at this place; keep one, and put what both say into it` };
}

/** `!ENV VAR` would be the text VAR. */
function tagFaults({ warnings }: Document): TextFault[] {
  return warnings
    .filter(({ code }) => code === 'TAG_RESOLVE_FAILED')
    .map(({ pos: [offset], message }) => {
      const tag = message.replace(/^Unresolved tag: /, '');
      return {
        offset,
        says: `${tag}: unknown tag; nothing is taken from elsewhere by one: write the value itself`,
      };
    });
}

function aliasFaults(document: Document): TextFault[] {
  const faults: TextFault[] = [];
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const [offset = 0] = alias.range ?? [];
      const text = `*${alias.source}`;
      const what = alias.source.startsWith('.')
        ? 'a name with * needs quotes, because * is an alias in YAML'
        : `an alias without its anchor &${alias.source}; a text that begins with * needs quotes`;
      faults.push({ offset, says: `${text}: ${what}: write "${text}"` });
    },
  });
  return faults;
}

/** At the first alias of what an alias stands for. */
export function manyAliasesFault(document: Document | undefined): TextFault {
  let offset = 0;
  let name = '';
  if (document) {
    visit(document, {
      Alias: (_, alias) => {
        offset = alias.range?.[0] ?? 0;
        name = `*${alias.source}`;
        return visit.BREAK;
      },
    });
  }
  return { offset, says: `${name}: aliases that multiply each other; write out what they stand for` };
}

/** The shell's variable, or a template that nobody has filled in. */
const VARIABLE = /^(\$\w+|\S*\$\{[A-Za-z_]\w*(:?[-=?+][^}]*)?\}\S*|\S*\{\{[^}]*\}\}\S*)$/;

function variableFaults(document: Document, kind: FileKind): TextFault[] {
  const faults: TextFault[] = [];
  const check = (node: Scalar, path: readonly PropertyKey[]) => {
    if (typeof node.value !== 'string' || !VARIABLE.test(node.value)) return;
    if (kind.mayHoldVariables?.(path)) return;
    const says = `"${node.value.slice(0, 100)}": no variable is filled in here; write the value itself, ${kind.environment}`;
    faults.push({ offset: node.range?.[0] ?? 0, says });
  };
  eachScalar(document.contents, [], check);
  return faults;
}

function eachScalar(
  node: unknown,
  path: readonly PropertyKey[],
  work: (node: Scalar, path: readonly PropertyKey[]) => void,
): void {
  if (isScalar(node)) work(node, path);
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) eachScalar(item, [...path, index], work);
  }
  if (!isMap(node)) return;
  for (const { key, value } of node.items) {
    eachScalar(value, [...path, String(isScalar(key) ? key.value : key)], work);
  }
}
