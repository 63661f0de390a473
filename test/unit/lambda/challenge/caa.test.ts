/** Whether CAA lets a CA issue to us: RFC 8659, RFC 8657. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caaProblem, caaValue } from '../../../../lambda/challenge/caa.ts';

const URI = 'https://ca.example/acct/1';
const request = {
  identifier: 'www.a.test',
  issuers: ['ca.example', 'ca.example.net'],
  accountUri: URI,
  method: 'http-01',
};
const wild = { ...request, identifier: '*.a.test', method: 'dns-01' };

/** `issue "value"`; `!tag` is critical. */
const record = (text: string) => {
  const [, mark, tag = '', value = ''] = /^(!?)(\S+) "(.*)"$/.exec(text) ?? [];
  return { isCritical: mark === '!', tag, value };
};

for (const [says, records, asked, problem] of [
  ['no issue property restricts nothing', ['iodef "mailto:a@a.test"'], request, undefined],
  ['our CA', ['issue "ca.example"'], request, undefined],
  ['another name of our CA, in capitals', ['issue "CA.Example.NET"'], request, undefined],
  ['one of several', ['issue "other.example"', 'issue "ca.example"'], request, undefined],
  ['another CA', ['issue "other.example"'], request, /other CAs only; it has issue "other\.example"/],
  ['no CA at all', ['issue ";"'], request, /other CAs only/],
  ['a value that is none', ['issue "%%%"'], request, /other CAs only/],
  ['our account', [`issue "ca.example; accounturi=${URI}"`], request, undefined],
  [
    'another account',
    ['issue "ca.example; accounturi=https://ca.example/acct/2"'],
    request,
    /another account/,
  ],
  [
    'an account, and we have none',
    [`issue "ca.example; accounturi=${URI}"`],
    { ...request, accountUri: undefined },
    /not registered yet/,
  ],
  ['our method', ['issue "ca.example; validationmethods=dns-01,http-01"'], request, undefined],
  ['another method', ['issue "ca.example; validationmethods=dns-01"'], request, /does not allow http-01/],
  ['a parameter that is not known', ['issue "ca.example; foo=bar"'], request, undefined],
  [
    'issuewild before issue',
    ['issue "ca.example"', 'issuewild ";"'],
    wild,
    /other CAs only; it has issuewild/,
  ],
  ['issue, where there is no issuewild', ['issue "ca.example"'], wild, undefined],
  ['issuewild says nothing of other names', ['issuewild ";"'], request, undefined],
  [
    'a critical property that nobody knows',
    ['!tbs "x"', 'issue "ca.example"'],
    request,
    /critical property tbs/,
  ],
  ['a critical issue is known', ['!issue "ca.example"'], request, undefined],
] as const) {
  test(`CAA: ${says}`, () => {
    const seen = caaProblem(records.map(record), asked);

    if (problem === undefined) assert.equal(seen, undefined);
    else assert.match(seen ?? 'allowed', problem);
  });
}

test('CAA: what we print is what we accept', () => {
  const value = caaValue('ca.example', URI, ['dns-01', 'http-01']);

  assert.equal(value, `ca.example; accounturi=${URI}; validationmethods=dns-01,http-01`);
  assert.equal(caaProblem([{ isCritical: false, tag: 'issue', value }], request), undefined);
});
