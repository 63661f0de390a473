/** Lists of serials as CAs write them, and what is none. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readSerialFile } from '../../../../lambda/replacement/serial-file.ts';
import { tempDir } from '../../../support/temp-dir.ts';

function fileOf(t: TestContext, text: string): string {
  const file = join(tempDir(t), 'serials.txt');
  writeFileSync(file, text);
  return file;
}

test('each way to write a serial, with what stands behind it', async (t) => {
  const file = fileOf(
    t,
    [
      '# revoked on Thursday',
      '03A1B2',
      '0x0F, 2026-11-01',
      'serial=00:0b:1c\tnames=[www.example.com]',
      '"FFEE";x',
      '',
      '  77  ',
    ].join('\r\n'),
  );

  const read = await readSerialFile(file, new Set(['3A1B2', 'F', 'B1C', 'FFEE', '99']));

  assert.deepEqual(
    { ...read, ours: [...read.ours] },
    { ours: ['3A1B2', 'F', 'B1C', 'FFEE'], all: 5, others: ['77'] },
  );
});

test('a million serials of others are read, and not kept', async (t) => {
  const lines = Array.from({ length: 100_000 }, (_, index) => (0xab_cd_ef_00_00 + index).toString(16));
  const file = fileOf(t, `${lines.join('\n')}\nFFEE`);

  const read = await readSerialFile(file, new Set(['FFEE']));

  assert.deepEqual([read.all, [...read.ours], read.others.length], [100_001, ['FFEE'], 5]);
});

for (const [says, text, message] of [
  ['a name in place of a serial', '0A\nwww.example.com\n', /serials\.txt, line 2: wanted a serial number/],
  ['a number longer than any serial', 'A'.repeat(41), /line 1/],
  ['an empty file', '\n\n', /has no serial/],
  ['a binary file', `\u0000${'\u0001'.repeat(70_000)}`, /a line of more than 65536 characters/],
] as const) {
  test(`refused: ${says}`, async (t) => {
    await assert.rejects(readSerialFile(fileOf(t, text), new Set()), { code: 'ERR_CONFIG', message });
  });
}

test('refused: no such file, a directory', async (t) => {
  for (const file of [join(tempDir(t), 'absent'), tempDir(t)]) {
    await assert.rejects(readSerialFile(file, new Set()), {
      code: 'ERR_CONFIG',
      message: /no list of serials at/,
    });
  }
});
