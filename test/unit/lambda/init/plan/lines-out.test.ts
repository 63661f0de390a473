/** Lines of init, taken out of a haproxy.cfg that somebody has edited since. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutLinesOf } from '../../../../../lambda/init/plan/lines-out.ts';

const before = `global
    maxconn 100
frontend web
    bind :80
    default_backend app
backend app
    server app 127.0.0.1:8080
`;
const after = `global
    maxconn 100
    stats socket /run/admin.sock level admin
frontend web
    bind :80
    bind :443 ssl crt /etc/haproxy/certs strict-sni
    acl is_challenge path_beg /.well-known/acme-challenge/
    default_backend app
backend app
    server app 127.0.0.1:8080
backend pemfleet
    server responder 127.0.0.1:8402
`;
const edit = (text: string, ...pairs: [string, string][]) =>
  pairs.reduce((all, [from, to]) => {
    assert.ok(all.includes(from), from);
    return all.replace(from, to);
  }, text);

test('what nobody has edited is as before, also where the last line had no end', () => {
  const open = 'backend app\n    server app 127.0.0.1:8080';

  assert.equal(withoutLinesOf(before, after, after), before);
  assert.equal(withoutLinesOf(open, `${open}\nbackend pemfleet\n`, `${open}\nbackend pemfleet\n`), open);
});

for (const [title, pairs] of [
  ['a value of his own', [['maxconn 100', 'maxconn 20000']]],
  [
    'a line before and after those of init',
    [['    bind :80\n', '    bind :80\n    bind :8080\n    maxconn 50\n']],
  ],
  ['a section of his own', [['backend app\n', 'backend mine\n    server m 127.0.0.1:9\n\nbackend app\n']]],
  ['a line less', [['    default_backend app\n', '']]],
  ['a comment at the end', [['8080\n', '8080\n# mine\n']]],
] as [string, [string, string][]][]) {
  test(`an edit stays, and init's lines go: ${title}`, () => {
    assert.equal(withoutLinesOf(before, after, edit(after, ...pairs)), edit(before, ...pairs));
  });
}

test('a last line without an end gets one where a line of his follows it', () => {
  const open = before.trimEnd();

  assert.equal(
    withoutLinesOf(open, `${before}backend pemfleet\n`, `${before}backend pemfleet\n# mine\n`),
    `${before}# mine\n`,
  );
});

for (const [title, pairs] of [
  ['a line of init that he has changed', [['ssl crt /etc/haproxy/certs', 'ssl crt /etc/haproxy/mine']]],
  [
    'a line of init that he has deleted',
    [['    acl is_challenge path_beg /.well-known/acme-challenge/\n', '']],
  ],
  ['a line between those of init', [['    acl is', '    maxconn 9\n    acl is']]],
  [
    'a line of his in a section of init: it would be in another one',
    [['8402\n', '8402\n    timeout server 5s\n']],
  ],
] as [string, [string, string][]][]) {
  test(`only people can decide: ${title}`, () => {
    assert.equal(withoutLinesOf(before, after, edit(after, ...pairs)), undefined);
  });
}

test('a line that init replaced comes back, with its neighbours edited', () => {
  const [old, made] = ['a\nbind :443 ssl crt x\nb\n', 'a\nbind :443 ssl crt x crt certs\nb\n'];

  assert.equal(
    withoutLinesOf(old, made, made.replace('a', 'A').replace('b\n', 'B\nc\n')),
    'A\nbind :443 ssl crt x\nB\nc\n',
  );
});
