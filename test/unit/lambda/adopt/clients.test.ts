// The files of certbot and acme.sh as they leave them (5.5.0, 3.1.2), and what cron and systemd know of them.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { keyFromJwk, keyThumbprint, UnusableKey } from '../../../../lambda/adopt/clients/account-key.ts';
import { readAcmeSh } from '../../../../lambda/adopt/clients/acme-sh.ts';
import { readCertbot } from '../../../../lambda/adopt/clients/certbot.ts';
import { DISABLED, findSchedules, withoutLines } from '../../../../lambda/adopt/clients/schedules.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';

function tree(root: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

const renewal = (params: string) => `version = 5.5.0
fullchain = /x/fullchain.pem
privkey = /x/privkey.pem
# Options used in the renewal process
[renewalparams]
account = 0a1b
server = ${LETS_ENCRYPT}
${params}
`;

test('certbot: account, challenge, hooks and settings of each certificate; what is no lineage is named', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = 'accounts/acme-v02.api.letsencrypt.org/directory/0a1b';
  const home = tree(tempDir(t), {
    [`${account}/private_key.json`]: JSON.stringify(privateKey.export({ format: 'jwk' })),
    [`${account}/regr.json`]: JSON.stringify({
      body: {},
      uri: 'https://acme-v02.api.letsencrypt.org/acme/acct/7',
    }),
    'renewal/www.conf': renewal(
      'authenticator = standalone\nhttp01_port = 8888\nreuse_key = True\nrenew_hook = /x/hook.sh',
    ),
    'renewal/web.conf': renewal('authenticator = webroot\n[[webroot_map]]\nweb.test = /var/www'),
    'renewal/wild.conf': renewal('authenticator = dns-cloudflare'),
    'renewal/broken.conf': 'nothing',
    'renewal-hooks/deploy/mail.sh': '#!/bin/sh',
  });

  const state = await readCertbot(home);

  assert.deepEqual(
    state?.lineages.map(({ name, challenge, reuseKey }) => [name, challenge, reuseKey]),
    [
      ['web', { kind: 'webroot', path: '/var/www' }, false],
      ['wild', { kind: 'dns', provider: 'cloudflare' }, false],
      ['www', { kind: 'standalone', port: 8888 }, true],
    ],
  );
  const www = state?.lineages.find(({ name }) => name === 'www');
  assert.deepEqual(
    www?.hooks.map((hook) => hook.replace(home, '')),
    [`renew_hook = /x/hook.sh (${home}/renewal/www.conf)`.replace(home, ''), '/renewal-hooks/deploy/mail.sh'],
  );
  const [one] = state?.accounts ?? [];
  assert.equal(one?.url, 'https://acme-v02.api.letsencrypt.org/acme/acct/7');
  assert.ok(createPublicKey(one?.key ?? '').equals(createPublicKey(privateKey)));
  assert.match(state?.problems.join() ?? '', /broken\.conf: wanted fullchain/);
  assert.equal(await readCertbot(join(home, 'none')), undefined);
});

test('acme.sh: certificates of both kinds of keys, commands in base64, the account of the CA', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const encoded = Buffer.from('systemctl reload haproxy').toString('base64');
  const home = tree(tempDir(t), {
    'account.conf': "CA_BUNDLE='/etc/ca.pem'\n",
    'ca/ca.test/dir/account.key': privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    'ca/ca.test/dir/ca.conf': "CA_EMAIL='ops@example.com'\nACCOUNT_URL='https://ca.test/acct/1'\n",
    'shop.test_ecc/shop.test.conf': `Le_Domain='shop.test'\nLe_Webroot='stateless'\nLe_API='https://ca.test:14000/dir'\nLe_ReloadCmd='__ACME_BASE64__START_${encoded}__ACME_BASE64__END_'\n`,
    'old.test/old.test.conf':
      "Le_Domain='old.test'\nLe_Webroot='no'\nLe_HTTPPort='8888'\nLe_API='https://ca.test:14000/dir'\nLe_ForceNewDomainKey='1'\n",
  });

  const state = await readAcmeSh(home);

  assert.deepEqual(
    state?.lineages.map(({ name, challenge, reuseKey }) => [name, challenge, reuseKey]),
    [
      ['old.test', { kind: 'standalone', port: 8888 }, false],
      ['shop.test', { kind: 'stateless' }, true],
    ],
  );
  assert.match(state?.lineages[1]?.hooks.join() ?? '', /^Le_ReloadCmd = systemctl reload haproxy \(/);
  const [account] = state?.accounts ?? [];
  assert.deepEqual(
    [account?.url, account?.contact, account?.caFile],
    ['https://ca.test/acct/1', ['mailto:ops@example.com'], '/etc/ca.pem'],
  );
  assert.ok(createPrivateKey(account?.key ?? '').equals(privateKey));
});

test('RFC 7638 §3.1: the thumbprint of the example key; a key that is none is refused without a word of it', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const { crv, x, y } = key.export({ format: 'jwk' });
  assert.equal(keyThumbprint(key.export({ type: 'pkcs8', format: 'pem' }).toString()).length, 43);
  assert.ok(crv !== undefined && x !== undefined && y !== undefined);
  assert.throws(
    () => keyFromJwk('{"kty":"EC","d":"c2VjcmV0"}'),
    (error: Error) => error instanceof UnusableKey && !error.message.includes('c2VjcmV0'),
  );
});

test('timers and cron lines that start the client, and none that only have its name', async (t) => {
  const root = tree(tempDir(t), {
    'usr/lib/systemd/system/certbot.service': '[Service]\nExecStart=/usr/bin/certbot -q renew\n',
    'usr/lib/systemd/system/certbot.timer': '[Timer]\n',
    'usr/lib/systemd/system/backup.service': '[Service]\nExecStart=/usr/bin/backup /etc/letsencrypt\n',
    'usr/lib/systemd/system/backup.timer': '[Timer]\n',
    'etc/cron.d/certbot': '# certbot renew is below\n0 3 * * * root certbot renew\n',
    'var/spool/cron/crontabs/root':
      '0 0 * * * /bin/true\n5 0 * * * "/root/.acme.sh"/acme.sh --cron --home "/root/.acme.sh" > /dev/null\n',
  });
  mkdirSync(join(root, 'etc/systemd/system/timers.target.wants'), { recursive: true });
  for (const name of ['certbot.timer', 'backup.timer']) {
    symlinkSync(
      `/usr/lib/systemd/system/${name}`,
      join(root, 'etc/systemd/system/timers.target.wants', name),
    );
  }

  const certbot = await findSchedules('certbot', root);
  const acme = await findSchedules('acme.sh', root);

  assert.deepEqual(certbot.timers, ['certbot.timer']);
  assert.deepEqual(
    certbot.cronLines.map(({ index, file }) => [file.slice(root.length), index]),
    [['/etc/cron.d/certbot', 1]],
  );
  assert.deepEqual(
    acme.cronLines.map(({ index }) => index),
    [1],
  );
  assert.equal(withoutLines('a\nb\n', [{ file: '', index: 1, line: 'b' }]), `a\n${DISABLED}b\n`);
});
