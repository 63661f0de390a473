/** The wrong file, or one that cannot be read: one line says what was wanted, what was seen and what to do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '#common/config-error.ts';
import { readSettingsText } from '#common/settings/read-text.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';
import { thrownBy } from '../../../../support/thrown-by.ts';

const dir = makeTempDir().path;
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};
const large = file('large', '');
truncateSync(large, 100 * 2 ** 20);
symlinkSync('circle', join(dir, 'circle'));

const ROWS: [says: string, path: string, fault: string][] = [
  ['a file that is not there', join(dir, 'none.yaml'), 'there is no such file; "pemfleet init" writes one'],
  ['a directory', dir, 'it is a directory; name the file in it'],
  ['a path through a file', join(large, 'x'), 'a part of its path is a file, not a directory'],
  ['a symbolic link to itself', join(dir, 'circle'), 'its symbolic links go in a circle'],
  ['a file of 100 MB', large, 'wanted a configuration of at most 16 MB, saw 100 MB: is it the right file?'],
  [
    'an endless device',
    '/dev/zero',
    'wanted a configuration of at most 16 MB, saw more than 16 MB: is it the right file?',
  ],
  [
    'a program',
    file('binary', Buffer.from('\x7fELF\x02\0\0\0', 'latin1')),
    'it has a zero byte (line 1); wanted YAML: is it the right file?',
  ],
  ['UTF-16', file('utf-16', Buffer.from('\ufeffbucket: x', 'utf16le')), 'it is UTF-16; save it as UTF-8'],
  [
    'UTF-16, the other way round',
    file('utf-16be', Buffer.from('\ufeffbucket: x', 'utf16le').swap16()),
    'it is UTF-16; save it as UTF-8',
  ],
  [
    'UTF-16 without its mark',
    file('utf-16-bare', Buffer.from('bucket: x', 'utf16le')),
    'it is UTF-16; save it as UTF-8',
  ],
  [
    'a zero byte in a text',
    file('zero', 'bucket: x\n# \0\n'),
    'it has a zero byte (line 2); wanted YAML: is it the right file?',
  ],
  [
    'Latin-1',
    file('latin-1', Buffer.from('# a\nname: bücher\n', 'latin1')),
    'it is not UTF-8 (line 2); save it as UTF-8',
  ],
];

for (const [says, path, fault] of ROWS) {
  test(`settings file: ${says}`, () => {
    const { code, message } = thrownBy(ConfigError, () => readSettingsText(path));

    assert.deepEqual([code, message], ['ERR_CONFIG', `${path}: ${fault}`]);
  });
}

test('settings file: a byte order mark is left out, and a pipe of the shell is read to its end', () => {
  assert.equal(readSettingsText(file('mark', '\ufeffbucket: x\n')), 'bucket: x\n');
  const program =
    "import('./lambda/common/settings/read-text.ts').then((m) => process.stdout.write(m.readSettingsText(process.argv[1])))";
  const line = `exec "$0" --import tsx -e "$1" <(printf 'bucket: x\\n')`;

  assert.equal(
    execFileSync('bash', ['-c', line, process.execPath, program], { encoding: 'utf8' }),
    'bucket: x\n',
  );
});
