/** docs/architecture.md is true: every source file has a room, imports go up its tables, and the names it links to exist. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf, sourceFiles, textOf } from '../support/sources.ts';

const text = textOf('docs/architecture.md');

interface Room {
  /** Folders, which end with a slash, and files. */
  paths: string[];
  program: string;
  /** `undefined`: all rows above. */
  allowed: string[] | undefined;
}

const rooms: Room[] = [...text.matchAll(/^\| (`(?:lambda|agent|cdk)\/[^|]+) \| [^|]+ \| ([^|]+) \|$/gm)].map(
  ([, cell = '', allowed = '']) => {
    const paths = [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    const [program = ''] = paths[0]?.split('/') ?? [];
    const names = allowed === 'nothing of ours' ? [] : allowed.split(', ');
    return { paths, program, allowed: allowed === 'the rows above' ? undefined : names };
  },
);

/** The row with the longest path that holds `file`. */
function roomOf(file: string): Room | undefined {
  const lengthIn = ({ paths }: Room) =>
    Math.max(
      ...paths.map((path) =>
        file === path || (path.endsWith('/') && file.startsWith(path)) ? path.length : 0,
      ),
    );
  const [best] = [...rooms].sort((a, b) => lengthIn(b) - lengthIn(a));
  return best !== undefined && lengthIn(best) > 0 ? best : undefined;
}

/** Whether the row `room` names `other` in its third column: `order`, `lambda/order` or `log.ts`. */
function names(room: Room, other: Room): boolean {
  const { allowed = ['the rows above'] } = room;
  const isAbove = other.program === room.program && rooms.indexOf(other) < rooms.indexOf(room);
  if (allowed.includes('the rows above') && isAbove) return true;
  const shared = ['contract', 'common', 'storage'];
  if (
    room.allowed === undefined &&
    room.program === 'agent' &&
    shared.some((name) => other.paths.includes(`lambda/${name}/`))
  ) {
    return true;
  }
  return allowed.some((name) =>
    [name, `${room.program}/${name}`, ...(shared.includes(name) ? [`lambda/${name}`] : [])].some(
      (path) => other.paths.includes(path) || other.paths.includes(`${path}/`),
    ),
  );
}

test('architecture: every source file has a room, and every room exists', () => {
  const homeless = sourceFiles.filter((file) => roomOf(file) === undefined);
  const paths = rooms.flatMap((room) => room.paths);

  assert.deepEqual(homeless, []);
  assert.deepEqual(
    paths.filter((path) => !sourceFiles.some((file) => file === path || file.startsWith(path))),
    [],
  );
});

test('architecture: a file imports only what the row of its room allows', () => {
  const refused = sourceFiles.flatMap((file) => {
    const room = roomOf(file);
    return importsOf(file).flatMap((path) => {
      const other = roomOf(path);
      const isAllowed = room !== undefined && other !== undefined && (room === other || names(room, other));
      return isAllowed ? [] : [`${file} imports ${path}`];
    });
  });

  assert.deepEqual(refused, [], 'see "Rooms" in docs/architecture.md');
});

test('architecture: each name that it links to is defined in that file', () => {
  const links = [...text.matchAll(/\[`(\w+)`\]\(\.\.\/([^)]+\.ts)\)/g)];
  const missing = links.filter(([, name = '', path = '']) => {
    const source = textOf(path);
    return !new RegExp(`\\b(function|class|const|interface|type) ${name}\\b`).test(source);
  });

  assert.ok(links.length > 40, `${links.length}`);
  assert.deepEqual(
    missing.map(([, name, path]) => `${name} in ${path}`),
    [],
  );
});
