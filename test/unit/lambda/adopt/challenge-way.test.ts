// How names are proven after the move: by what HAProxy's configuration has today, or by what somebody must do before the next renewal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OldChallenge } from '../../../../lambda/adopt/clients/lineage.ts';
import { challengeRoute, challengeWay } from '../../../../lambda/adopt/plan/challenge-way.ts';
import { configurationOf } from '../../../../lambda/init/plan/haproxy-config.ts';

const routeOf = (text: string) =>
  challengeRoute(configurationOf([{ file: 'haproxy.cfg', text, encoding: 'utf8' }], {}));

const TO_SERVER = `frontend http
    bind :80
    use_backend acme if { path_beg /.well-known/acme-challenge/ }
backend acme
    server one localhost:8888
`;
const STATELESS = `frontend http
    bind :80
    http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].OUR-THUMBPRINT" if { path_beg /.well-known/acme-challenge/ }
`;
const PLAIN = 'frontend http\n    bind :80\n';
const AWAY = TO_SERVER.replace('localhost', '192.0.2.1');

const standalone = (port: number): OldChallenge => ({ kind: 'standalone', port });
const dns = (provider: string): OldChallenge => ({ kind: 'dns', provider });

/** What HAProxy has, the old way, a wildcard or not → challenge, where the responder listens, what is to be done. */
const ROWS: readonly [string, OldChallenge | undefined, boolean, [string, string?], RegExp?][] = [
  [TO_SERVER, standalone(8888), false, ['http-01', '127.0.0.1:8888']],
  [TO_SERVER, standalone(9999), false, ['http-01'], /where another program answers: pemfleet init --apply/],
  [TO_SERVER, { kind: 'webroot', path: '/var/www' }, false, ['http-01'], /where another program answers/],
  [TO_SERVER, undefined, false, ['http-01', '127.0.0.1:8888']],
  [PLAIN, standalone(80), false, ['http-01'], /no line for challenges/],
  [AWAY, standalone(8888), false, ['http-01'], /no line for challenges/],
  [STATELESS, { kind: 'stateless' }, false, ['http-01-stateless']],
  [
    STATELESS.replace('OUR', 'OTHER'),
    { kind: 'stateless' },
    false,
    ['http-01-stateless'],
    /another account's/,
  ],
  [PLAIN, dns('route53'), true, ['dns-01'], /credentials for Route 53/],
  [PLAIN, dns('cloudflare'), true, ['dns-persist-01'], /cloudflare is not asked.*pemfleet dns-records/],
  [TO_SERVER, dns('cloudflare'), false, ['http-01', '127.0.0.1:8888'], /in place of cloudflare/],
  [TO_SERVER, standalone(8888), true, ['dns-persist-01'], /one TXT record that stays/],
];

for (const [text, old, hasWildcard, [challenge, listen], todo] of ROWS) {
  const what = `${old?.kind ?? 'nobody knows'}, ${text.split('\n')[2]?.trim() || 'no line'}${hasWildcard ? ', a wildcard' : ''}`;
  test(`${what}: ${challenge}`, () => {
    const thumbprint = 'OUR-THUMBPRINT';
    const way = challengeWay({
      old,
      hasWildcard,
      route: routeOf(text),
      thumbprint,
      isListening: () => false,
    });

    assert.deepEqual([way.challenge, way.listen], [challenge, listen]);
    if (todo === undefined) assert.equal(way.todo, undefined);
    else assert.match(way.todo ?? '', todo);
  });
}
