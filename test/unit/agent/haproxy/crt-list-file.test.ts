import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCrtListEntries } from '../../../../agent/haproxy/answers.ts';
import { withLineOrder, withTails } from '../../../../agent/haproxy/crt-list-file.ts';
import { isSameTail, parseCrtListLine } from '../../../../agent/haproxy/crt-list-line.ts';
import { toHaproxy, toHost } from '../../../../agent/haproxy/path-map.ts';

const edits: [says: string, before: string, file: string, tails: string[], after: string][] = [
  ['into an empty file', '', 'a.pem', [''], '/c/a.pem\n'],
  ['behind a last line without its end', '# x', 'a.pem', ['[alpn h2] a'], '# x\n/c/a.pem [alpn h2] a\n'],
  [
    'before the first of ours with a later name',
    '/x/0.pem\n/c/b.pem\n',
    'a.pem',
    [''],
    '/x/0.pem\n/c/a.pem\n/c/b.pem\n',
  ],
  ['in its place', '/c/b.pem\n/c/a.pem  x\n# end\n', 'a.pem', ['y'], '/c/b.pem\n/c/a.pem y\n# end\n'],
  [
    'equal: byte for byte',
    '/c/a.pem   [alpn h2]\ty\r\n',
    'a.pem',
    ['[alpn h2]\ty'],
    '/c/a.pem   [alpn h2]\ty\r\n',
  ],
  ['its own spelling stays', '/c/./a.pem x\n', 'a.pem', ['y'], '/c/./a.pem y\n'],
  ['of several, one', '/c/a.pem\n#\n/c/a.pem\n/c/a.pem x\n', 'a.pem', [''], '/c/a.pem\n#\n'],
  ['away', '#\n\n/c/a.pem x\n/c/b.pem\n', 'a.pem', [], '#\n\n/c/b.pem\n'],
  ['away where it is not', '# a\n', 'a.pem', [], '# a\n'],
  ['a name that only begins alike', '/c/a.pem.rsa\n', 'a.pem', [''], '/c/a.pem\n/c/a.pem.rsa\n'],
];

for (const [says, before, file, tails, after] of edits) {
  test(`a crt-list file is edited: ${says}`, () => {
    assert.equal(withTails(before, '/c', new Map([[file, tails]])), after);
  });
}

const lines: [string, ReturnType<typeof parseCrtListLine>][] = [
  ['/c/a.pem', { filename: '/c/a.pem', tail: '' }],
  [' /c/a.pem [alpn h2 ] a.test !b.test \r', { filename: '/c/a.pem', tail: '[alpn h2 ] a.test !b.test' }],
  ['/c/a.pem[alpn h2]', { filename: '/c/a.pem', tail: '[alpn h2]' }],
  ['# /c/a.pem', undefined],
  ['  ', undefined],
];

for (const [line, parsed] of lines) {
  test(`a line of a crt-list: ${JSON.stringify(line)}`, () => {
    assert.deepEqual(parseCrtListLine(line), parsed);
  });
}

const pairs: [string, string, boolean][] = [
  ['[alpn h2 verify none] a b', '[verify none  alpn h2] b a', true],
  ['[alpn h2]', '[alpn http/1.1]', false],
  ['[alpn h2 ocsp-update on]', '[alpn h2]', true],
  ['[ocsp-update on]', '', true],
  ['a.test', '!a.test', false],
  ['', 'a.test', false],
  ['[no-ca-names]', '', false],
];

for (const [a, b, isSame] of pairs) {
  test(`"${a}" is ${isSame ? 'the same as' : 'not'} "${b}", as far as HAProxy shows it`, () => {
    assert.equal(isSameTail(a, b), isSame);
  });
}

test('what HAProxy lists: line numbers, NUL bytes, several entries of a file, names with spaces', () => {
  const text = '# /l\n/c/a.pem:2 [alpn h2\0 ssl-min-ver TLSv1.2] a *.a\n/c d/b.pem\n/c/a.pem:7 z\n/c/c.pem:9';

  assert.deepEqual(
    [...parseCrtListEntries(text)],
    [
      [
        '/c/a.pem',
        [
          { line: 2, tail: '[alpn h2 ssl-min-ver TLSv1.2] a *.a' },
          { line: 7, tail: 'z' },
        ],
      ],
      ['/c d/b.pem', [{ line: undefined, tail: '' }]],
      ['/c/c.pem', [{ line: 9, tail: '' }]],
    ],
  );
});

test('paths of a container: there and back, and nothing else', () => {
  const map = { host: '/srv/haproxy/', haproxy: '/etc/haproxy' };

  assert.equal(toHaproxy('/srv/haproxy/certs', map), '/etc/haproxy/certs');
  assert.equal(toHaproxy('/srv/haproxy-2/certs', map), '/srv/haproxy-2/certs');
  assert.equal(toHost('/etc/haproxy/certs/a.pem', map), '/srv/haproxy/certs/a.pem');
  assert.equal(toHost('/usr/certs', map), undefined);
  assert.equal(toHost('/usr/certs', undefined), '/usr/certs');
});

test('lines of files that share names are put in order among themselves; all else stays where it is', () => {
  const text = [
    '# ours',
    '/c/a.pem [alpn h2] a',
    '/x/other.pem',
    '/c/./b.pem b',
    '',
    '/c/c.pem',
    '/c/a.pem !a',
    '',
  ].join('\n');

  const after = withLineOrder(text, '/c', [['c.pem', 'gone.pem', 'a.pem']]);

  assert.deepEqual(after.split('\n'), [
    '# ours',
    '/c/c.pem',
    '/x/other.pem',
    '/c/./b.pem b',
    '',
    '/c/a.pem [alpn h2] a',
    '/c/a.pem !a',
    '',
  ]);
  assert.equal(withLineOrder(after, '/c', [['c.pem', 'gone.pem', 'a.pem']]), after);
  assert.equal(withLineOrder('', '/c', [['c.pem', 'a.pem']]), '');
});
