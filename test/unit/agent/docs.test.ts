/** The reference pages of the agent and its code say the same: nothing is missing on a page, and nothing on it is gone. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { USAGE } from '../../../agent/cli/usage.ts';
import { FLAGS } from '../../../agent/config/config.ts';
import { FINDINGS } from '../../../agent/doctor/finding.ts';
import { EVENT_NAMES } from '../../../agent/log.ts';
import { OWN_REACTIONS } from '../../../agent/reactions.ts';

const read = (page: string) => readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
const settings = read('agent-settings.md');
const codes = read('agent-codes.md');
const [, errorSection = '', eventSection = '', findingSection = ''] = codes.split(/^## .+$/m);

/** The cells of each row of a table whose first cell holds names. */
const rowsOf = (text: string) =>
  [...text.matchAll(/^\| (`.+) \|$/gm)].map(([, cells = '']) => cells.split(' | '));
const namesIn = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
const firstNames = (text: string) => rowsOf(text).flatMap(([cell]) => namesIn(cell));

test('docs/agent-codes.md has every error code of the agent, and none that is gone', () => {
  assert.deepEqual(firstNames(errorSection).sort(), Object.keys(OWN_REACTIONS).sort());
});

const STATE_AFTER = { refused: 'failed', waiting: 'pending', reload: 'needs-reload' };
/** What keeps the agent from a pass, or HAProxy from a reload, or is said beside a state: no state of a certificate. */
const OF_THE_HOST = [
  ...['ERR_CONFIG', 'ERR_USAGE', 'ERR_CERTS_DIRECTORY', 'ERR_STATE_DIRECTORY', 'ERR_MANIFEST_MISSING'],
  'ERR_MANIFEST_REFUSED',
  ...['ERR_RELOAD_CHECK', 'ERR_RELOAD_COMMAND', 'ERR_RUNTIME_TWO_ISSUERS'],
];

test('docs/agent-codes.md says of every error code to which state it leads', () => {
  const documented = rowsOf(errorSection).flatMap(([cell, , agent = '']) =>
    namesIn(cell).map((code) => [code, /^`([a-z-]+)`(?=$|:)/.exec(agent)?.[1]]),
  );
  const expected = Object.entries(OWN_REACTIONS).map(([code, reaction]) => [
    code,
    OF_THE_HOST.includes(code) ? undefined : STATE_AFTER[reaction],
  ]);

  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(expected));
});

test('docs/agent-codes.md has every event of the agent, and none that is gone', () => {
  assert.deepEqual(firstNames(eventSection).sort(), [...EVENT_NAMES].sort());
});

const WITHOUT_FLAG = [
  ...['hooks.proved', 'hooks.timeoutSeconds'],
  ...['haproxy', 'haproxy.paths.host', 'haproxy.paths.haproxy'],
  ...['haproxy.reload.command', 'haproxy.reload.check', 'haproxy.reload.window', 'haproxy.reload.timeout'],
];

test('docs/agent-settings.md and --help have every key, flag and variable, and none that is gone', () => {
  const keys = firstNames(settings).filter((name) => !name.startsWith('pemfleet_agent_'));
  const paths = Object.values(FLAGS).map((path) => path.join('.'));
  const ways = ['crt DIR', 'crt-list FILE', 'crt FILE'];
  assert.deepEqual(new Set(keys.filter((key) => !ways.includes(key))), new Set([...paths, ...WITHOUT_FLAG]));

  for (const flag of Object.keys(FLAGS)) {
    const variable = flag.toUpperCase().replaceAll('-', '_');
    assert.ok(settings.includes(`\`--${flag}\``), flag);
    assert.ok(settings.includes(`\`${variable}\``), variable);
    assert.ok(USAGE.includes(`--${flag} `), flag);
    assert.ok(USAGE.includes(`PEMFLEET_AGENT_${variable} `), flag);
  }
});

test('docs/agent-codes.md has every finding of doctor with its severity, and none that is gone', () => {
  const rows = rowsOf(findingSection).flatMap(([ids, severities = '']) => {
    const list = severities.split(', ');
    return namesIn(ids).map((id, index) => [id, list[index] ?? list[0]]);
  });

  assert.deepEqual(Object.fromEntries(rows), FINDINGS);
});

test('each table of the reference of codes has a value in each cell of its first columns', () => {
  for (const row of rowsOf(errorSection)) assert.ok(row.length === 4 && !row.includes(''), row.join(' | '));
});
