// `pemfleet export`: what other programs get, that OpenSSL and a TLS server open it, and what is never written over.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { exportCommand } from '../../../../lambda/commands/export/export.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { handshake } from '../../../support/handshake.ts';
import { stage } from './stage.ts';

const PASSPHRASE = 'pass wört €';

async function exporter(t: Parameters<typeof stage>[0]) {
  const operator = await stage(t);
  const serial = await operator.publish('kept');
  const at = (name: string) => join(operator.dir, name);
  writeFileSync(at('word'), `${PASSPHRASE}\n`);
  const files = ['--fullchain', at('chain.pem'), '--key', at('key.pem')];
  const all = [...files, '--pkcs12', at('all.p12'), '--passphrase-file', at('word')];
  const take = (...words: string[]) => operator.run(exportCommand, 'export', 'kept', ...words);
  const linesOf = async () =>
    JSON.parse((await operator.run(auditCommand, 'audit', 'kept', '--json')).out).lines;
  return { ...operator, serial, at, files, all, take, linesOf };
}

test('other programs get chain, key and PKCS#12 by 0600: OpenSSL opens them, a TLS server serves them, the trail says so', async (t) => {
  const { serial, at, all, take, linesOf } = await exporter(t);
  const dry = await take(...all, '--dry-run', '--json');
  assert.deepEqual([dry.status, existsSync(at('key.pem')), (await linesOf()).length], [0, false, 1], dry.err);

  const { status, err, out } = await take(...all, '--json', '--reason', 'the mail server');

  assert.equal(status, 0, err);
  assert.deepEqual(
    JSON.parse(out).files.map(({ written }: { written: boolean }) => written),
    [true, true, true],
  );
  for (const name of ['chain.pem', 'key.pem', 'all.p12']) {
    assert.equal(statSync(at(name)).mode & 0o777, 0o600);
  }
  assert.equal(new X509Certificate(readFileSync(at('chain.pem'))).serialNumber, serial);
  const { action, after, reason, fleet } = (await linesOf()).at(-1);
  assert.deepEqual(
    [action, after, reason, fleet],
    ['exported', [serial], 'fullchain, key, pkcs12: the mail server', 'edge'],
  );
  assert.doesNotMatch(err + out, /PRIVATE|pass wört/);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', ['pkcs12', '-in', at('all.p12'), '-passin', `file:${at('word')}`, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const opened = openssl('-nodes');
  assert.match(opened, /friendlyName: kept/);
  assert.equal(opened.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.ok(opened.replace(/\n/g, '').includes(readFileSync(at('key.pem'), 'utf8').replace(/\n/g, '')));
  for (const options of [
    { pfx: readFileSync(at('all.p12')), passphrase: PASSPHRASE },
    { cert: readFileSync(at('chain.pem')), key: readFileSync(at('key.pem')) },
  ]) {
    const server = createServer(options).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    assert.equal((await handshake({ port, servername: 'kept.test' })).serial, serial);
  }
});

test('typed twice it writes nothing; a renewal replaces the files with --force only, and no temporary file stays', async (t) => {
  const { dir, publish, at, files, all, take, linesOf } = await exporter(t);
  assert.equal((await take(...files)).status, 0);
  const inode = statSync(at('key.pem')).ino;
  const again = await take(...files);
  assert.deepEqual([again.status, statSync(at('key.pem')).ino], [0, inode]);
  assert.match(again.err, /key of \S+ is there already in/);
  const old = readFileSync(at('chain.pem'), 'utf8');
  const next = await publish('kept');
  const lines = (await linesOf()).length;

  const refused = await take(...all);

  assert.match(String(refused.status), /^CommandRefused ERR_REFUSED .*chain\.pem is there already.*--force/);
  assert.deepEqual([readFileSync(at('chain.pem'), 'utf8'), (await linesOf()).length], [old, lines]);
  assert.equal(existsSync(at('all.p12')), false);
  chmodSync(at('key.pem'), 0o644);
  assert.equal((await take(...all, '--force')).status, 0);
  assert.equal(new X509Certificate(readFileSync(at('chain.pem'))).serialNumber, next);
  assert.equal(statSync(at('key.pem')).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith('.')),
    [],
  );
});

test('a link, a directory, a device and a terminal get no key; nor does PKCS#12 come without a passphrase', async (t) => {
  const { dir, at, take, linesOf } = await exporter(t);
  writeFileSync(at('old'), 'old');
  symlinkSync(at('old'), at('link'));
  writeFileSync(at('empty'), '\n');
  const lines = (await linesOf()).length;
  for (const [says, words, message] of [
    ['nothing', [], /^UsageError .*saw none/],
    ['one file twice', ['--key', at('a'), '--fullchain', at('a')], /^UsageError .*a file for each/],
    ['a link', ['--key', at('link'), '--force'], /^CommandRefused .*saw a symbolic link/],
    ['a directory', ['--key', dir, '--force'], /^CommandRefused .*saw a directory/],
    ['a device', ['--key', '/dev/null', '--force'], /^CommandRefused .*saw a device/],
    ['no directory', ['--key', at('none/key.pem'), '--fleet', 'core'], /^CommandRefused .*is not published/],
    ['a key of another type', ['--key', at('a'), '--key-type', 'rsa4096'], /no key of the type rsa4096/],
    ['no passphrase', ['--pkcs12', at('a')], /^UsageError .*wants a passphrase/],
    ['an empty one', ['--pkcs12', at('a'), '--passphrase-file', at('empty')], /^UsageError .*not empty/],
    ['PKCS#12 to a terminal', ['--pkcs12', '-'], /^UsageError .*--pkcs12 wants a file/],
  ] as const) {
    assert.match(String((await take(...words)).status), message, says);
  }
  const isTerminal = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY');
  t.after(() =>
    Object.defineProperty(process.stdout, 'isTTY', isTerminal ?? { value: undefined, configurable: true }),
  );
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true });
  const terminal = await take('--key', '-');
  assert.match(String(terminal.status), /^UsageError .*standard output is a terminal/);
  assert.equal(terminal.out, '');
  assert.deepEqual([readFileSync(at('old'), 'utf8'), (await linesOf()).length], ['old', lines]);
  assert.match((await take('--key', '-', '--force')).out, /BEGIN PRIVATE KEY/);
});
