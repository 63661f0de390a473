/** The lines that init fits into HAProxy's configurations: what they change, and what they leave alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exemptLine } from '../../../../lambda/init/plan/exempt.ts';
import { configurationOf, Unplannable } from '../../../../lambda/init/plan/haproxy-config.ts';
import { type HaproxyPlanOptions, planHaproxy } from '../../../../lambda/init/plan/haproxy-plan.ts';
import { applyEdits, insertion, replacement } from '../../../../lambda/init/plan/text-edit.ts';
import { unifiedDiff } from '../../../../lambda/init/plan/unified-diff.ts';
import { configurations } from '../../../support/init/configurations.ts';

const PATHS = { home: '/etc/haproxy', http: 80, https: 443 };
const OPTIONS: HaproxyPlanOptions = {
  group: 'haproxy',
  hasDirectory: () => true,
  directory: '/etc/haproxy/certs',
  names: ['new.example.org'],
  served: [],
  responder: '127.0.0.1:8402',
  proofPort: 8403,
  switchTo: undefined,
};

function planOf(text: string, options: Partial<HaproxyPlanOptions> = {}) {
  const config = configurationOf([{ file: 'haproxy.cfg', text, encoding: 'utf8' }], {});
  const plan = planHaproxy(config, { ...OPTIONS, ...options });
  return { ...plan, after: plan.changes[0]?.after ?? text };
}

for (const { title, text, adds } of configurations) {
  test(`init leaves what it does not change, and has nothing to add a second time: ${title}`, () => {
    const before = text(PATHS);

    const { after, diff } = planOf(before);

    const removed = diff.split('\n').filter((line) => /^-(?!--)/.test(line));
    const kept = before.split('\n').filter((line) => !removed.includes(`-${line}`));
    const rest = after.split('\n');
    for (const line of kept) assert.ok(rest.includes(line), line);
    assert.ok(removed.length <= 4, removed.join('\n'));
    assert.ok(adds === undefined || diff.includes(adds(PATHS)), diff);
    assert.equal(planOf(after).diff, '');
  });
}

test('a redirect spares challenges, whatever its condition', () => {
  const rows = [
    ['redirect scheme https', 'redirect scheme https unless X'],
    ['redirect scheme https if !{ ssl_fc } # all', 'redirect scheme https if !{ ssl_fc } !X # all'],
    ['redirect scheme https unless a b', 'redirect scheme https unless a b or X'],
    ['redirect prefix https://a if b || c d or e', 'redirect prefix https://a if b !X || c d !X or e !X'],
    ['redirect prefix "/if" if { hdr(host) -i or }', 'redirect prefix "/if" if { hdr(host) -i or } !X'],
  ];

  for (const [before = '', after] of rows) assert.equal(exemptLine(before, 'X', {}), after);
});

test('an acl of the operator that has our name keeps its meaning: ours gets another one', () => {
  const text =
    'defaults\n mode http\nfrontend web\n bind :80\n acl pemfleet_challenge path /x\n http-request deny if pemfleet_challenge\n';

  const { after } = planOf(text);

  assert.equal(after.match(/acl pemfleet_challenge /g)?.length, 1);
  assert.match(after, /acl pemfleet_challenge_2 path_beg \/\.well-known/);
  assert.match(after, /use_backend acme_responder if pemfleet_challenge_2/);
  assert.match(after, /http-request allow if pemfleet_challenge_2/);
  assert.equal(planOf(after).diff, '');
});

test('a port 443 that HAProxy only passes through is no place for certificates: init says where', () => {
  const text =
    'defaults\n mode tcp\nfrontend a\n bind :443\n default_backend b\nbackend b\n server s 192.0.2.1:443\n';

  assert.throws(
    () => planOf(text),
    (error) => error instanceof Unplannable && /443 passed through \(haproxy.cfg:4/.test(error.message),
  );
});

test('a port 80 in mode tcp cannot answer HTTP-01: init names both ways out', () => {
  const text = 'frontend a\n bind :80\nfrontend b\n mode http\n bind :443 ssl crt /x\n';

  assert.throws(() => planOf(text), /mode tcp: set mode http, or prove names by --challenge dns-01/);
  assert.doesNotThrow(() => planOf(text, { responder: undefined }));
});

test("names of today's certificates are proved on a bind of their own: visitors meet neither staging nor a change", () => {
  const text = 'frontend a\n mode http\n bind :80\n bind :443 ssl crt /own.pem\n';
  const served = [{ source: '/own.pem', file: '/own.pem', names: ['*.example.org'], isPlaceholder: false }];

  const { after, handshake, notes } = planOf(text, { served });

  assert.match(after, /^ bind :443 ssl crt \/own\.pem$/m);
  assert.match(after, /^ bind 127\.0\.0\.1:8403 ssl crt \/etc\/haproxy\/certs strict-sni$/m);
  assert.deepEqual(handshake, ['127.0.0.1:8403']);
  assert.match(notes.join(), /new\.example\.org.*pemfleet init --switch/);
  const own = [{ ...served[0], source: '/etc/haproxy/certs' }] as HaproxyPlanOptions['served'];
  const { after: switched, handshake: visited } = planOf(after, { served, switchTo: own });
  assert.match(switched, /^ bind :443 ssl crt \/etc\/haproxy\/certs$/m);
  assert.doesNotMatch(switched, /8403/);
  assert.deepEqual(visited, ['127.0.0.1:443']);
});

test('a bind whose list stands before its placeholder: the list goes, for it has the names; the placeholder stays', () => {
  const text = 'frontend a\n mode http\n bind :80\n bind :443 ssl crt-list /l crt /a.pem\n';
  const served = [
    { source: '/l', file: '/own.pem', names: ['new.example.org'], isPlaceholder: false },
    { source: '/a.pem', file: '/a.pem', names: ['localhost'], isPlaceholder: true },
  ];
  const own = [{ ...served[0], source: '/etc/haproxy/certs' }] as HaproxyPlanOptions['served'];

  const { after } = planOf(text, { served, switchTo: own });

  assert.match(after, /^ bind :443 ssl crt \/etc\/haproxy\/certs crt \/a\.pem$/m);
});

test('edits keep ends of lines and a missing end of the last line', () => {
  const edits = [insertion('f', 1, ['new']), replacement('f', 2, 'changed')];

  assert.equal(applyEdits('a\r\nb\r\nc\r\n', edits), 'a\r\nnew\r\nb\r\nchanged\r\n');
  assert.equal(applyEdits('a\nb\nc', edits), 'a\nnew\nb\nchanged');
  assert.equal(applyEdits('', [insertion('f', 0, ['a'])]), 'a\n');
});

test('the diff is one that patch(1) takes', () => {
  const before = 'a\nb\nc\nd\ne\nf\ng\nh\ni';
  const after = 'a\nB\nc\nd\ne\nf\ng\nh\ni\nj\n';

  assert.equal(
    unifiedDiff('f', before, after),
    '--- f\n+++ f\n@@ -1,9 +1,10 @@\n a\n-b\n+B\n c\n d\n e\n f\n g\n h\n-i\n\\ No newline at end of file\n+i\n+j\n',
  );
});
