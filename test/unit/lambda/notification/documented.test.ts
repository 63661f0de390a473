/**
 * docs/notifications.md shows each kind as the code renders it, and an event, a body and the alerts of one. `PEMFLEET_UPDATE_SNAPSHOTS=1`
 * writes these blocks anew.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { NOTICE_KINDS } from '../../../../lambda/config/notify/channel.ts';
import { TEMPLATE_FIELDS } from '../../../../lambda/config/notify/template.ts';
import { bodyOf } from '../../../../lambda/notification/channels/bodies.ts';
import { eventsOf } from '../../../../lambda/notification/channels/events.ts';
import { factsEnvironment } from '../../../../lambda/notification/channels/machine/facts.ts';
import { wordsOf } from '../../../../lambda/notification/text.ts';
import { sampleNotices } from '../../../support/notification/samples.ts';

const PAGE = 'docs/notifications.md';
const samples = await sampleNotices();
const failing = samples.find(([name]) => name === 'failing')?.[1];
assert.ok(failing);
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const bodyFor = (template: string) => json(JSON.parse(bodyOf(template, failing, wordsOf(failing)) ?? ''));
const eventOf = () => {
  const [{ detail, DetailType, Source, Resources } = {} as never] = eventsOf(failing) as [never];
  return json({ source: Source, 'detail-type': DetailType, resources: Resources, detail });
};

/** By name: language, and what stands in the block. */
const BLOCKS = new Map<string, [language: string, content: string]>([
  ...samples.map(([name, notice]): [string, [string, string]] => {
    const { subject, text } = wordsOf(notice);
    return [name, ['text', `Subject: ${subject}\n\n${text}`]];
  }),
  ['event', ['json', eventOf()]],
  ['json', ['json', bodyFor('json')]],
  ['slack', ['json', bodyFor('slack')]],
  ['alertmanager', ['json', bodyFor('alertmanager')]],
  [
    'environment',
    [
      'text',
      Object.entries(factsEnvironment(failing, wordsOf(failing)))
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    ],
  ],
]);

const blockAt = (name: string) =>
  new RegExp(`(<!-- rendered: ${name} -->\n)\`\`\`[a-z]*\n([\\s\\S]*?)\`\`\`\n`);

test('each kind of notice stands in docs/notifications.md as the code renders it', () => {
  let page = readFileSync(PAGE, 'utf8');
  if (process.env['PEMFLEET_UPDATE_SNAPSHOTS'] === '1') {
    for (const [name, [language, content]] of BLOCKS) {
      page = page.replace(blockAt(name), (_, marker) => `${marker}\`\`\`${language}\n${content}\`\`\`\n`);
    }
    writeFileSync(PAGE, page);
  }
  for (const [name, [, content]] of BLOCKS) {
    const [, , block] = blockAt(name).exec(page) ?? [];
    assert.equal(block, content, `${PAGE}: ${name}`);
  }
});

test('the page has each kind, and each placeholder of a template', () => {
  const page = readFileSync(PAGE, 'utf8');

  for (const kind of NOTICE_KINDS) assert.match(page, new RegExp(`^\\| \`${kind}\` \\|`, 'm'));
  for (const field of TEMPLATE_FIELDS) assert.match(page, new RegExp(`\`\\{\\{${field}\\}\\}\``));
  assert.deepEqual([...new Set(samples.map(([, { kind }]) => kind))].sort(), [...NOTICE_KINDS].sort());
});
