/** PKCS#12 files as OpenSSL writes them: of today, and (`legacy`) as Windows and Java did until some years ago. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pkcs12Options {
  passphrase: string;
  legacy?: boolean;
  /** More arguments of `openssl pkcs12 -export`. */
  args?: readonly string[];
}

/** @param pem certificates, the first one's key */
export function makePkcs12(
  dir: string,
  pem: string,
  { passphrase, legacy = false, args = [] }: Pkcs12Options,
) {
  const [from, to] = [join(dir, 'from.pem'), join(dir, 'to.p12')];
  writeFileSync(from, pem, { mode: 0o600 });
  const form = legacy ? ['-legacy'] : [];
  const words = ['pkcs12', '-export', '-in', from, '-out', to, '-passout', 'env:WORD', ...form, ...args];
  execFileSync('openssl', words, { env: { ...process.env, WORD: passphrase }, stdio: 'pipe' });
  return readFileSync(to);
}
