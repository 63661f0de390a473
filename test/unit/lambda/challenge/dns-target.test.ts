// RFC 8555 §8.4: the validator follows CNAMEs, so the record goes where they lead.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { type CnameLookup, cnameLookup, dnsTarget } from '../../../../lambda/challenge/dns-target.ts';
import { DnsFailed } from '../../../../lambda/challenge/errors.ts';

const FIRST = '_acme-challenge.a.test';

/** @param wildcard answers for every other name in `a.test` */
function zoneOf(cnames: Record<string, string>, wildcard?: string): CnameLookup & { asked: string[] } {
  const asked: string[] = [];
  const lookup = async (name: string) => {
    asked.push(name);
    return cnames[name] ?? (name.endsWith('.a.test') ? wildcard : undefined);
  };
  return Object.assign(lookup, { asked });
}
const chainOf = (length: number) =>
  Object.fromEntries(
    Array.from({ length }, (_, hop) => [hop === 0 ? FIRST : `hop${hop}.test`, `hop${hop + 1}.test`]),
  );

const TARGETS: [says: string, lookup: CnameLookup, target: string][] = [
  ['no CNAME: the name itself', zoneOf({}), FIRST],
  ['one CNAME: where it leads', zoneOf({ [FIRST]: 'a.acme.test' }), 'a.acme.test'],
  [
    'a chain: its end',
    zoneOf({ [FIRST]: 'one.test', 'one.test': 'two.test', 'two.test': 'three.test' }),
    'three.test',
  ],
  ['as many hops as resolvers follow', zoneOf(chainOf(8)), 'hop8.test'],
  ['a wildcard makes it up: the name itself', zoneOf({}, 'elsewhere.test'), FIRST],
  [
    'a CNAME of its own beside a wildcard: where it leads',
    zoneOf({ [FIRST]: 'a.acme.test' }, 'elsewhere.test'),
    'a.acme.test',
  ],
];

for (const [says, lookup, target] of TARGETS) {
  test(says, async () => {
    assert.equal(await dnsTarget('a.test', lookup), target);
  });
}

const NOWHERE: [says: string, lookup: CnameLookup, hops: RegExp][] = [
  ['a CNAME to itself', zoneOf({ [FIRST]: FIRST }), /_acme-challenge\.a\.test → _acme-challenge\.a\.test$/],
  [
    'a circle that comes back',
    zoneOf({ [FIRST]: 'one.test', 'one.test': FIRST }),
    /→ one\.test → _acme-challenge\.a\.test$/,
  ],
  [
    'a circle further on',
    zoneOf({ [FIRST]: 'one.test', 'one.test': 'two.test', 'two.test': 'one.test' }),
    /→ one\.test → two\.test → one\.test$/,
  ],
  ['a chain without an end', zoneOf(chainOf(30)), /→ hop9\.test$/],
];

for (const [says, lookup, hops] of NOWHERE) {
  test(`${says} is refused with the hops that it took`, async () => {
    const failure = await dnsTarget('a.test', lookup).catch((error: unknown) => error);

    assert.ok(failure instanceof DnsFailed);
    assert.equal(failure.code, 'ERR_DNS_LOOKUP');
    assert.match(failure.message, hops);
  });
}

test('the sibling that reveals a wildcard has a random name: no answer can be prepared for it', async () => {
  const siblings = new Set<string | undefined>();
  for (let round = 0; round < 3; round += 1) {
    const lookup = zoneOf({ [FIRST]: 'a.acme.test' });
    await dnsTarget('a.test', lookup);
    siblings.add(lookup.asked.find((name) => name.startsWith('_pemfleet-')));
  }

  assert.equal(siblings.size, 3);
});

test('a lookup that fails is no "there is none": the record would go to the wrong place', async () => {
  const broken = new DnsFailed('ERR_DNS_LOOKUP', 'no answer');
  const onlyFirst: CnameLookup = (name) =>
    name === FIRST ? Promise.resolve('a.acme.test') : Promise.reject(broken);

  await assert.rejects(
    dnsTarget('a.test', () => Promise.reject(broken)),
    broken,
  );
  await assert.rejects(dnsTarget('a.test', onlyFirst), broken);
});

/** RFC 1035 §4.1.1: answers every question with this RCODE. */
async function startBrokenServer(rcode: number): Promise<{ address: string; stop: () => void }> {
  const socket = createSocket('udp4');
  socket.on('message', (question, { port, address }) => {
    const answer = Buffer.from(question);
    answer.writeUInt16BE(0x8180 | rcode, 2);
    socket.send(answer, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, stop: () => socket.close() };
}

const [SERVFAIL, NXDOMAIN, REFUSED] = [2, 3, 5];

test('NXDOMAIN: there is no CNAME', async (t) => {
  const server = await startBrokenServer(NXDOMAIN);
  t.after(server.stop);

  assert.equal(await cnameLookup([server.address])(FIRST), undefined);
});

for (const [says, rcode, code] of [
  ['SERVFAIL', SERVFAIL, 'ESERVFAIL'],
  ['REFUSED', REFUSED, 'EREFUSED'],
] as const) {
  test(`${says}: an error, which says what to check`, async (t) => {
    const server = await startBrokenServer(rcode);
    t.after(server.stop);

    const failure = await cnameLookup([server.address])(FIRST).catch((error: unknown) => error);

    assert.ok(failure instanceof DnsFailed);
    assert.equal(failure.code, 'ERR_DNS_LOOKUP');
    assert.match(failure.message, new RegExp(`CNAME at ${FIRST}: ${code}; .*dns\\.resolvers`));
  });
}
