// What both programs do where nobody reads their output any more, or its disk is full: they end quietly, and not as if all were well.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openBucket } from '#storage/open.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { agentProgram } from '../../support/agent/program.ts';
import { DIRECTORY_URL, fleet } from '../../support/issuer/documents.ts';
import { issuerProgram } from '../../support/issuer/program.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const dir = makeTempDir().path;
const config = join(dir, 'pemfleet.yaml');
const env = {
  ...process.env,
  AGENT: '',
  ISSUER: '',
  NODE: process.execPath,
  CONFIG: config,
  OUT: join(dir, 'out'),
};

before(async () => {
  env.ISSUER = issuerProgram();
  env.AGENT = agentProgram();
  const bucket = pathToFileURL(join(dir, 'bucket')).href;
  mkdirSync(join(dir, 'bucket'));
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  writeFileSync(config, JSON.stringify({ bucket, acme, certificates: [{ identifiers: ['www.test'] }] }));
  await openSigningKey(await openBucket(bucket), { fleets: [fleet] });
});

/** @param line of bash */
function shell(line: string) {
  const script = `pemfleet() { "$NODE" "$ISSUER" "$@" --config "$CONFIG"; }\n${line}`;
  const { status, stderr } = spawnSync('bash', ['-c', script], { env, encoding: 'utf8' });
  return { status, stderr };
}

const FULL = /^(pemfleet|pemfleet-agent): the output could not be written: (ENOSPC|EFBIG)\n$/;

// A command that is well, and of each kind of output one: a table, JSON, a help. `true` has ended long before the program writes.
for (const [says, command] of [
  ['the lines of pemfleet key', 'pemfleet key show'],
  ['the document of pemfleet key --json', 'pemfleet key show --json'],
  ['pemfleet schema', '"$NODE" "$ISSUER" schema'],
  ['pemfleet haproxy-config', 'pemfleet haproxy-config'],
  ['pemfleet-agent schema', '"$NODE" "$AGENT" schema'],
  ['pemfleet --help', '"$NODE" "$ISSUER" --help'],
  ['pemfleet-agent --help', '"$NODE" "$AGENT" --help'],
]) {
  test(`${says}: a full disk is exit status 1, a reader that has gone 141`, () => {
    const full = shell(`${command} >/dev/full`);
    const gone = shell(`${command} | true; exit "\${PIPESTATUS[0]}"`);

    assert.equal(full.status, 1, full.stderr);
    assert.match(full.stderr, FULL);
    assert.deepEqual(gone, { status: 141, stderr: '' });
  });
}

test('what is wrong stays wrong: the exit status of pemfleet status is 1 for whoever stops reading', () => {
  const gone = shell(`pemfleet status | true; exit "\${PIPESTATUS[0]}"`);

  assert.deepEqual(gone, { status: 1, stderr: '' });
});

test('a disk that takes the first kilobyte only is a full disk', () => {
  const { status, stderr } = shell(`trap '' XFSZ; ulimit -f 1; "$NODE" "$ISSUER" --help >"$OUT"`);

  assert.equal(status, 1, stderr);
  assert.match(stderr, FULL);
  assert.equal(statSync(env.OUT).size, 1024);
});

test('a pass whose log nobody reads goes to its end, and its table is missed', () => {
  const { status } = shell(
    '{ pemfleet run --json >"$OUT"; echo $? >"$OUT.status"; } 2>&1 | true; exit "$(cat "$OUT.status")"',
  );

  assert.equal(status, 1);
  assert.ok(statSync(env.OUT).size > 100);
});
