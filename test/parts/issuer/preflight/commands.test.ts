// The program itself: `pemfleet caa`, and `pemfleet plan --check` before there is anything.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { issuerProgram } from '../../../support/issuer/program.ts';
import { startDns } from '../../../support/parts/dns.ts';
import { startPebble } from '../../../support/parts/pebble.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const dns = await startDns();
after(dns.stop);
const pebble = await startPebble({ dnsServer: dns.address });
after(pebble.stop);
const dir = makeTempDir();
after(dir.remove);
const file = join(dir.path, 'pemfleet.yaml');
const { caFile, directoryUrl } = pebble;
writeFileSync(
  file,
  JSON.stringify({
    bucket: pathToFileURL(join(dir.path, 'bucket')).href,
    acme: { directoryUrl, caFile, termsOfServiceAgreed: true },
    challenge: 'dns-persist-01',
    dns: { resolvers: [dns.address] },
    certificates: [{ identifiers: ['www.a.test'] }],
  }),
);
await dns.manage('add-caa', { host: 'a.test.', policies: [{ tag: 'issue', value: 'other.example' }] });

const program = issuerProgram();

function pemfleet(...args: string[]) {
  return spawnSync(process.execPath, [program, ...args, '--config', file], { encoding: 'utf8' });
}

test('caa: exit status 1 where a configured CA may not issue, with the records that would let it', () => {
  const { status, stdout, stderr } = pemfleet('caa');

  assert.equal(status, 1, stderr);
  assert.match(
    stdout,
    /^www\.a\.test\. IN CAA 0 issue "pebble\.letsencrypt\.org; validationmethods=dns-persist-01"$/m,
  );
  assert.match(stdout, /denied +a\.test +CAA names other CAs only; it has issue "other\.example"/);
});

test('plan --check: the plan with its findings, exit status by the worst', () => {
  const { status, stdout, stderr } = pemfleet('plan', '--check', '--json');

  const { findings, outcomes } = JSON.parse(stdout) as Record<string, { check: string; result: string }[]>;
  assert.equal(status, 1, stderr);
  assert.equal(outcomes?.[0]?.result, 'planned');
  assert.deepEqual(
    findings?.map(({ check, result }) => `${check} ${result}`),
    ['clock ok', 'account unknown', 'caa failed', 'record unknown'],
  );
});
