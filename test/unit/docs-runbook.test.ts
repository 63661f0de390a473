/** The runbook is complete both ways: each alarm, warning and error code leads to a section, and nothing in its table is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEVELS } from '../../lambda/figures/levels.ts';
import { type EventName, levelOf } from '../../lambda/log.ts';
import { sourceFiles, textOf } from '../support/sources.ts';

const runbook = textOf('docs/runbook.md');
const index = /^### From an event or a code[\s\S]*?(?=^## )/m.exec(runbook)?.[0] ?? '';
const rows = index
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(1, -1).split('|'));
const wordsIn = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
const listedEvents = rows.flatMap(([, events = '']) => wordsIn(events));
const agentEvents = rows.flatMap(([, , events = '']) => wordsIn(events));
const patterns = rows.flatMap(([, , , codes = '']) => wordsIn(codes));

const events = [
  ...(/export type EventName =([^;]+);/.exec(textOf('lambda/log.ts'))?.[1] ?? '').matchAll(/'([^']+)'/g),
].map(([, name = '']) => name as EventName);
const codes = new Set(
  sourceFiles
    .filter((file) => /^(lambda|agent)\//.test(file))
    .flatMap((file) => [...textOf(file).matchAll(/'(ERR_[A-Z_]*[A-Z])'/g)].map(([, code = '']) => code)),
);
const fits = (pattern: string, code: string) =>
  pattern.endsWith('*') ? code.startsWith(pattern.slice(0, -1)) : code === pattern;

test('runbook: each warning and error of the issuer has its section, and none that is gone', () => {
  const loud = events.filter((event) => ['warn', 'error'].includes(levelOf(event)));

  assert.ok(loud.length > 30);
  assert.deepEqual([...listedEvents].sort(), [...loud].sort());
});

test('runbook: each warning and error of the agent has its section, and none that is gone', () => {
  const loud = [...textOf('docs/agent-codes.md').matchAll(/^\| `([a-z-]+\.[a-z-]+)` \| (?:warning|error)/gm)];

  assert.ok(loud.length > 20);
  assert.deepEqual([...agentEvents].sort(), loud.map(([, name]) => name).sort());
});

test('runbook: each error code has one section, and each pattern a code', () => {
  const placesOf = (code: string) => patterns.filter((pattern) => fits(pattern, code));

  assert.ok(codes.size > 80);
  assert.deepEqual(
    [...codes].filter((code) => placesOf(code).length !== 1).map((code) => [code, placesOf(code)]),
    [],
  );
  assert.deepEqual(
    patterns.filter((pattern) => ![...codes].some((code) => fits(pattern, code))),
    [],
  );
});

test('runbook: each level has a section', () => {
  const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, title]) => title);

  assert.deepEqual(
    LEVELS.filter((level) => !sections.includes(level)),
    [],
  );
});
