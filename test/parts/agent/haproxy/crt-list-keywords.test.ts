// The contract's list of crt-list keywords is what HAProxy itself allows there: each one is tried with `haproxy -c`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CRT_LIST_KEYWORDS } from '#contract/crt-list.ts';
import { programPath } from '../../../setup.mjs';
import { type HaproxyVersion, haproxyVersions } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const SINCE_3_0 = ['client-sigalgs', 'no-alpn', 'ocsp-update', 'sigalgs'];
const WORDS: Record<string, string> = {
  alpn: 'h2,http/1.1',
  ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  ciphersuites: 'TLS_AES_128_GCM_SHA256',
  'client-sigalgs': 'ECDSA+SHA256',
  curves: 'X25519:P-256',
  ecdhe: 'secp384r1',
  npn: 'h2',
  sigalgs: 'ECDSA+SHA256',
};

test('each keyword and each of its values, and nothing but those on 2.6 that are newer', async (t) => {
  const { path: dir, remove } = makeTempDir();
  t.after(remove);
  const pki = await createPki();
  const { combined } = await pki.issue({ names: ['a.test'] });
  writeFileSync(join(dir, 'a.pem'), combined);
  writeFileSync(
    join(dir, 'list.cfg'),
    `frontend f\n mode tcp\n timeout client 1s\n bind :1 ssl crt-list ${dir}/list\n`,
  );
  const refusal = (version: HaproxyVersion, options: readonly string[]) => {
    // `verify` wants a ca-file beside it, a low ssl-max-ver a low ssl-min-ver.
    const lines = options.map(
      (option) => `${dir}/a.pem [ca-file ${dir}/a.pem ssl-min-ver TLSv1.0 ${option}] a.test\n`,
    );
    writeFileSync(join(dir, 'list'), lines.join(''));
    const { status, stderr } = spawnSync(
      programPath(`haproxy-${version}`),
      ['-c', '-f', join(dir, 'list.cfg')],
      {
        encoding: 'utf8',
      },
    );
    return status === 0 ? undefined : stderr;
  };
  const options = Object.entries(CRT_LIST_KEYWORDS).flatMap(([name, { words, values, isFile }]) => {
    if (words === 0) return [name];
    return (values ?? [isFile ? `${dir}/a.pem` : WORDS[name]]).map((word) => `${name} ${word}`);
  });
  const isNew = (option: string) => SINCE_3_0.some((name) => option.startsWith(name));

  for (const version of haproxyVersions) {
    const all = options.filter((option) => version !== '2.6' || !isNew(option));
    // These disagree with each other, so each is tried alone.
    const alone = all.filter((option) => /^(ocsp-update|ssl-m)/.test(option));
    const together = all.filter((option) => !alone.includes(option));

    assert.equal(refusal(version, together), undefined, version);
    for (const option of alone) assert.equal(refusal(version, [option]), undefined, `${version} ${option}`);
    assert.match(refusal(version, ['strict-sni']) ?? '', /unknown ssl keyword strict-sni/, version);
  }
  for (const option of options.filter(isNew)) {
    assert.match(refusal('2.6', [option]) ?? '', /unknown ssl keyword/);
  }
});
