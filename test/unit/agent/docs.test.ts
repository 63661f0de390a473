import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { USAGE } from '../../../agent/cli/usage.ts';
import { FLAGS } from '../../../agent/config/config.ts';
import { FINDINGS } from '../../../agent/doctor/finding.ts';
import { EVENT_NAMES } from '../../../agent/log.ts';
import { OWN_REACTIONS } from '../../../agent/reactions.ts';

const text = readFileSync(new URL('../../../docs/agent.md', import.meta.url), 'utf8');
const firstCells = [...text.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word),
);

test('docs/agent.md has every error code of the agent', () => {
  for (const code of Object.keys(OWN_REACTIONS)) assert.ok(firstCells.includes(code), code);
});

test('docs/agent.md has every event of the agent, and none that is gone', () => {
  const documented = firstCells.filter(
    (word) => /^[a-z]+\.[a-z-]+$/.test(word) && !/^(haproxy|pem)\.[a-z]*[A-Z]/.test(word),
  );
  const events = documented.filter((word) => !Object.values(FLAGS).some((path) => path.join('.') === word));

  assert.deepEqual(events.sort(), [...EVENT_NAMES].sort());
});

test('docs/agent.md and --help have every key, flag and variable', () => {
  for (const [flag, path] of Object.entries(FLAGS)) {
    assert.ok(firstCells.includes(path.join('.')), path.join('.'));
    assert.ok(text.includes(`\`--${flag}\``), flag);
    assert.ok(USAGE.includes(`--${flag} `), flag);
    assert.ok(USAGE.includes(`PEMFLEET_AGENT_${flag.toUpperCase().replaceAll('-', '_')} `), flag);
  }
});

test('docs/agent.md has every finding of doctor with its severity, and none that is gone', () => {
  const [, section = ''] = /^## doctor\n([\s\S]+?)^## /m.exec(text) ?? [];
  const rows = [...section.matchAll(/^\| (`[^|]+) \| ([^|]+) \|/gm)].flatMap(
    ([, ids = '', severities = '']) => {
      const list = severities.split(', ');
      return [...ids.matchAll(/`([^`]+)`/g)].map(([, id = ''], index) => [id, list[index] ?? list[0]]);
    },
  );

  assert.deepEqual(Object.fromEntries(rows), FINDINGS);
});
