/** Whom a lookup of a TXT record asks, and what it believes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TxtSource, txtLookup } from '../../../../lambda/challenge/txt-lookup.ts';

const NAME = '_validation-persist.www.a.test';
const failed = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));

/** @param txt by servers, joined; the machine's own: `''` */
function worldOf(txt: Record<string, string[] | string>) {
  const asked: string[] = [];
  const open = (servers: readonly string[]): TxtSource => {
    const who = servers.join();
    const source = {
      resolveNs: (zone: string) =>
        zone === 'a.test' ? Promise.resolve(['ns1.dns.test']) : failed('ENODATA'),
      resolve4: async () => ['192.0.2.53'],
      resolveTxt: async () => {
        asked.push(who);
        const answer = txt[who] ?? 'ENOTFOUND';
        return typeof answer === 'string' ? failed(answer) : answer.map((value) => [value]);
      },
    };
    return source as unknown as TxtSource;
  };
  const look = (servers: readonly string[] = []) =>
    txtLookup(servers, open)(NAME, (values) => values.includes('wanted'));
  return { asked, look };
}

for (const [says, txt, values, asked] of [
  ["the zone's own servers come first", { '192.0.2.53': ['wanted'] }, ['wanted'], ['192.0.2.53']],
  [
    'a CNAME that leads elsewhere: the resolver follows it',
    { '192.0.2.53': [], '': ['wanted'] },
    ['wanted'],
    ['192.0.2.53', ''],
  ],
  ['port 53 is closed to us', { '192.0.2.53': 'ETIMEOUT', '': ['wanted'] }, ['wanted'], ['192.0.2.53', '']],
  ['there is none', {}, [], ['192.0.2.53', '']],
] as const) {
  test(`TXT: ${says}`, async () => {
    const world = worldOf(txt as Record<string, string[] | string>);

    assert.deepEqual(await world.look(), values);
    assert.deepEqual(world.asked, asked);
  });
}

test('TXT: configured resolvers alone are asked', async () => {
  const world = worldOf({ '127.0.0.1:53': ['other'] });

  assert.deepEqual(await world.look(['127.0.0.1:53']), ['other']);
  assert.deepEqual(world.asked, ['127.0.0.1:53']);
});

test('TXT: no answer is an error, not an absence', async () => {
  await assert.rejects(worldOf({ '': 'ESERVFAIL' }).look(), { code: 'ERR_DNS_LOOKUP' });
});
