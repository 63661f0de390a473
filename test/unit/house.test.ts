/** The house as a newcomer meets it: rooms of a size, no circles, and names that need no comment. */
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { exportsOf, importsOf, otherExportsOf, sourceFiles, specifiersOf } from '../support/sources.ts';

test('no room holds more than 16 files', () => {
  const counts = new Map<string, number>();
  for (const file of sourceFiles) {
    const room = posix.dirname(file);
    counts.set(room, (counts.get(room) ?? 0) + 1);
  }

  assert.deepEqual(
    [...counts].filter(([, count]) => count > 16),
    [],
  );
});

test('no file imports itself by way of others', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || done.has(file)) return;
    for (const target of importsOf(file)) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of sourceFiles) walk(file, []);

  assert.deepEqual(circles, []);
});

/** Rooms that stand on Node.js alone, but for these packages. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'lambda/acme': ['acme-client', 'ipaddr.js'],
  'lambda/common': ['ipaddr.js'],
  'lambda/contract': ['zod'],
  'agent/desired': [],
};

test('the rooms at the ground import no packages but theirs', () => {
  const foreign = sourceFiles.flatMap((file) => {
    const allowed = PACKAGES[posix.dirname(file)];
    const packages = specifiersOf(file).filter((specifier) => !/^(?:[.#]|node:)/.test(specifier));
    return allowed === undefined
      ? []
      : packages.filter((name) => !allowed.some((one) => name === one || name.startsWith(`${one}/`)));
  });

  assert.deepEqual(foreign, []);
});

test('agent/desired knows a line of a crt-list, and nothing else of HAProxy', () => {
  const files = sourceFiles.filter((file) => file.startsWith('agent/desired/'));
  const imported = files.flatMap(importsOf).filter((target) => target.startsWith('agent/haproxy/'));

  assert.deepEqual([...new Set(imported)], ['agent/haproxy/crt-list-line.ts']);
});

/** Names that two files export, and why. */
const SHARED: Readonly<Record<string, string>> = {
  EXIT: 'the exit statuses of each of the two command lines',
  EventName: 'the events of each of the two logs',
  Log: 'the log of each program: its events are its own',
  Outcome: 'what became of a certificate in a pass, at the CA or on a host',
  PassOptions: 'what a pass of each program can be asked for',
  PassResult: 'what a pass of each program leaves',
  USAGE: 'the help of each of the two command lines',
  handler: "Lambda's name for an entry point",
};

const exported = sourceFiles.flatMap((file) => exportsOf(file).map((name) => ({ file, name })));

test('each export names what it exports, but for the public API', () => {
  const others = sourceFiles.filter((file) => file !== 'cdk/index.ts').flatMap(otherExportsOf);

  assert.deepEqual(others, []);
});

test('a name is exported by one file, or there is a reason', () => {
  const homes = new Map<string, string[]>();
  for (const { file, name } of exported) homes.set(name, [...(homes.get(name) ?? []), file]);
  const shared = [...homes].filter(([, files]) => files.length > 1).map(([name]) => name);

  assert.deepEqual(shared.sort(), Object.keys(SHARED).sort());
});

/** Metaphors, words for anything, and verbs that want an object: none of them says what it names. */
const VAGUE = new Set(
  (
    'nap napper manners scene memo book gone goings found learn learned news tell tells told teller bring brought ' +
    'settle settled asked wish wished hindrance hindered somebody nobody whoever another turn leave seen unseen ' +
    'shown heard courtesy world stuff thing things helper helpers util utils manager'
  ).split(' '),
);

/** `readHostBook`, `host-book.ts` → read, host, book. */
function wordsIn(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
}

test('files and exports are named in the words of the field', () => {
  const named = [...sourceFiles.map((file) => ({ file, name: file })), ...exported];
  const isVague = (word: string) => VAGUE.has(word) || VAGUE.has(word.replace(/s$/, ''));
  const vague = named.filter(({ name }) => wordsIn(name).some(isVague));

  assert.deepEqual(
    vague.map(({ file, name }) => `${file}: ${name}`),
    [],
  );
});
