/** Whether what a CA has issued may be published. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkIssuer } from '../../../../lambda/trusted/refused-ca.ts';
import { createPki } from '../../../support/parts/pki.ts';

const directoryUrl = 'https://ca.test/directory';
const acme = { directoryUrl, termsOfServiceAgreed: true };

/** @param isTrusted whether browsers trust something that is in force with the same names */
const checked = (text: string, isTrusted: boolean) =>
  checkIssuer(
    {
      ...({ config: { acme, fallback: [] } } as unknown as Parameters<typeof checkIssuer>[0]),
      ...{ options: {}, now: () => new Date() },
      trusted: { haveOneOf: async () => isTrusted } as unknown as Parameters<
        typeof checkIssuer
      >[0]['trusted'],
    },
    { spec: { identifiers: ['a.test'] as never }, published: undefined },
    directoryUrl,
    [text],
  );

test('what takes the place of nothing that browsers trust is not judged: to judge costs a handshake', async () => {
  // A text that is no PEM fails in the handshake.
  await checked('not a PEM', false);
  await assert.rejects(checked('not a PEM', true));
});

test('what browsers do not trust takes the place of nothing that they do', async () => {
  const { combined } = await (await createPki()).issue({ names: ['a.test'] });

  await checked(combined, false);
  await assert.rejects(checked(combined, true), { code: 'ERR_CA_UNTRUSTED' });
});
