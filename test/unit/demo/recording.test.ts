import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chosenLines, terminalSvg } from '../../demo/recording.ts';

const RECORDED = `
1. The parts, all on this machine
   0.1 s  start     HAProxy 3.2

2. First issue: HAProxy has no certificate yet
   1.0 s  issuer    api.example.com is due (missing)
   1.0 s  issuer    shop.example.com is due (missing) <now & here>
   9.0 s  client    248 requests during the renewal, 0 failed
note: host-1: ${'x'.repeat(200)}
`;

test('the recording of npm start is about one certificate, and equal text makes an equal picture', () => {
  const lines = chosenLines(RECORDED);

  assert.deepEqual(lines, [
    '2. First issue: HAProxy has no certificate yet',
    '   1.0 s  issuer    shop.example.com is due (missing) <now & here>',
    '   9.0 s  client    248 requests during the renewal, 0 failed',
  ]);
  assert.equal(terminalSvg(lines), terminalSvg(lines));
  assert.match(terminalSvg(lines), /&lt;now &amp; here&gt;/);
});

test('docs/recording.svg is such a picture', () => {
  const picture = readFileSync('docs/recording.svg', 'utf8');
  const lines = [...picture.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, line = '']) => line);

  assert.equal(lines[0], '$ npm start');
  const unescaped = (line: string) =>
    line.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  assert.equal(picture, terminalSvg(lines.slice(1).map(unescaped)));
});
