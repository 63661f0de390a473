// docs/agent-codes.md says of every finding whether doctor --fix mends it, or why not; docs/cli.md has those of the issuer.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MENDED } from '../../../../agent/doctor/mend/mended.ts';
import { ISSUER_FINDINGS } from '../../../../lambda/commands/doctor/finding.ts';

const page = (name: string) => readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), 'utf8');
const namesIn = (text: string) => [...text.matchAll(/`([a-z]+-[a-z-]+)`/g)].map(([, name = '']) => name);

test('each finding of the agent is mended, or left to somebody for a reason', () => {
  const section = page('agent-codes.md').split('\n## What doctor --fix mends\n')[1]?.split('\n## ')[0] ?? '';
  const documented: [string, string][] = [];
  for (const [, first = '', rest = ''] of section.matchAll(/^\| ([^|]+) \| (.+) \|$/gm)) {
    const [mended] = namesIn(first);
    if (mended !== undefined) documented.push([mended, 'mended']);
    const left = mended === undefined ? namesIn(rest.split(' | ')[1] ?? '') : [];
    documented.push(...left.map((id): [string, string] => [id, first]));
  }

  assert.deepEqual(Object.fromEntries(documented), MENDED);
});

test('docs/cli.md has each finding of pemfleet doctor with its severity', () => {
  const section = page('cli.md').split('\n## Doctor\n')[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| (`[^|]+) \| ([a-z]+)[^|]* \|/gm)];
  const documented = rows.flatMap(([, cell = '', severity = '']) =>
    namesIn(cell).map((id) => [id, severity]),
  );
  const own = documented.filter(([id = '']) => !id.startsWith('check-'));

  assert.deepEqual(Object.fromEntries(own), ISSUER_FINDINGS);
});
