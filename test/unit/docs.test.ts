/** The documents name every error code, event and key there is, and nothing that is gone. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string) => readFileSync(`${root}${file}`, 'utf8');
const sources = ['lambda', 'agent'].flatMap((room) =>
  readdirSync(`${root}${room}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => read(`${room}/${file}`)),
);
const documents = readdirSync(`${root}docs`)
  .filter((file) => file.endsWith('.md'))
  .map((file) => read(`docs/${file}`));

const wordsOf = (texts: string[], pattern: RegExp) =>
  new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] ?? match[0])));

test('every error code is documented, and no documented one is dead', () => {
  const code = /\b(ERR_[A-Z_]*[A-Z])\b/g;
  const inCode = wordsOf(sources, /'(ERR_[A-Z_]*[A-Z])'/g);
  const inDocs = wordsOf(documents, code);

  assert.deepEqual(
    [...inCode].filter((name) => !inDocs.has(name)),
    [],
    'undocumented',
  );
  assert.deepEqual(
    [...inDocs].filter((name) => !inCode.has(name)),
    [],
    'dead',
  );
});

test('every event of the issuing side is documented, and no documented one is dead', () => {
  const union = /export type EventName =([^;]+);/.exec(read('lambda/log.ts'))?.[1] ?? '';
  const inCode = wordsOf([union], /'([a-z-]+\.[a-z-]+)'/g);
  const inDocs = wordsOf([read('docs/events.md')], /^\| `([a-z-]+\.[a-z-]+)`/gm);

  assert.deepEqual([...inDocs].sort(), [...inCode].sort());
});

const PAGES = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'test/aws/README.md'],
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test('links between the documents lead somewhere', () => {
  for (const file of PAGES) {
    const folder = `${root}${file}`.replace(/[^/]+$/, '');
    for (const [, target = ''] of read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      assert.doesNotThrow(
        () => readdirSync(new URL('.', `file://${folder}${target}`)),
        `${file} → ${target}`,
      );
      assert.ok(existsIn(folder, target), `${file} → ${target}`);
    }
  }
});

test('links to a heading lead to one', () => {
  for (const file of PAGES) {
    for (const [, target = '', anchor = ''] of read(file).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)) {
      const page = target === '' ? file : posix.join(posix.dirname(file), target);
      const anchors = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title));
      assert.ok(anchors.includes(anchor), `${file} → ${page}#${anchor}`);
    }
  }
});

/** As GitHub derives it. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function existsIn(folder: string, target: string): boolean {
  const path = fileURLToPath(new URL(target, `file://${folder}`));
  const [, parent = '', name = ''] = /^(.*\/)([^/]+)\/?$/.exec(path) ?? [];
  return readdirSync(parent).includes(name);
}
