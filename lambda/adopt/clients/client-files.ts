/** Files of other ACME clients: bounded, and read in the ways of Python's configobj and of a shell. */
import { readdirSync } from 'node:fs';
import { readRegularFile } from '#storage/atomic-file.ts';

const MAX_BYTES = 1_000_000;
/** Of a directory: more are no client's. */
const MAX_ENTRIES = 20_000;

/** @returns undefined: there is no such file */
export async function readClientFile(path: string): Promise<string | undefined> {
  try {
    return (await readRegularFile(path, MAX_BYTES)).toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** @returns the names in a directory, sorted; none where there is no directory */
export function sortedNamesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort().slice(0, MAX_ENTRIES);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

/** Keys with their values by section; the keys before the first section are in the section of no name. */
export type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The part of configobj's language that certbot writes: `[section]`, `[[subsection]]`, `key = value`. */
export function parseSections(text: string): Sections {
  const sections = new Map<string, Map<string, string>>([['', new Map()]]);
  let current = sections.get('');
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, head] = /^\[+\s*([^\]]+?)\s*\]+$/.exec(line) ?? [];
    if (head !== undefined) {
      current = new Map();
      sections.set(head, current);
      continue;
    }
    const at = line.indexOf('=');
    if (at > 0) current?.set(line.slice(0, at).trim(), unquotedValue(line.slice(at + 1).trim()));
  }
  return sections;
}

const unquotedValue = (text: string) => text.replace(/^(["'])(.*)\1$/, '$2');

/** `a, b` or `a,`: a list of configobj. */
export function configobjList(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((one) => unquotedValue(one.trim()))
    .filter((one) => one !== '');
}

const BASE64 = /^__ACME_BASE64__START_(.*)__ACME_BASE64__END_$/;

/** Lines `KEY='value'`, as acme.sh saves them; commands are in base64. */
export function parseShellValues(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    const plain = unquotedValue(value.trim());
    const [, encoded] = BASE64.exec(plain) ?? [];
    values.set(key, encoded === undefined ? plain : Buffer.from(encoded, 'base64').toString('utf8'));
  }
  return values;
}
