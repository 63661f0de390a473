// OpenSSL at security level 3 refuses RSA-2048, which is fine for `verify`: a refusal that only HAProxy knows of.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { tempDir } from '../temp-dir.ts';

/** @returns for `OPENSSL_CONF` in HAProxy's environment */
export function strictOpenssl(t: Pick<TestContext, 'after'>): string {
  const file = join(tempDir(t), 'openssl.cnf');
  const lines = ['openssl_conf = o', '[o]', 'ssl_conf = s', '[s]', 'system_default = d', '[d]'];
  writeFileSync(file, [...lines, 'CipherString = DEFAULT@SECLEVEL=3', ''].join('\n'));
  return file;
}
