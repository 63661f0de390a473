/** Every mode by which another user reads, locks or writes what is pemfleet's, planted one after another: both doctors name each. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { applyRepair } from '#common/user/repair.ts';
import { loadAgentConfig } from '../../agent/config/config.ts';
import { mendAgentPlaces, mendCertificates, mendState } from '../../agent/doctor/mend/files.ts';
import { mendBucket, mendIssuerPlaces, mendSecrets } from '../../lambda/commands/doctor/files.ts';
import { makeConfig } from '../support/issuer/documents.ts';
import { tempDir } from '../support/temp-dir.ts';

const FILES = [
  ...['etc/pemfleet.yaml', 'etc/agent.yaml', 'etc/eab.key', 'etc/slack.url', 'etc/webhook.secret'],
  ...['etc/init/1-before-key.pem', 'run/haproxy.sock', 'state/agent/status.json'],
  ...['lib/bucket/.lock', 'lib/bucket/issuer/account/ca.json', 'lib/bucket/published/default/root.json'],
  ...['certs/haproxy/shop.pem', 'certs/haproxy/.pemfleet-lock'],
];
const RUN = {
  ...{ at: '2026-11-28T12:00:00.000Z', changes: [], directories: [], statsSocket: '/run/haproxy.sock' },
  ...{ number: 1, hasDropIns: false },
};

async function plantTree(t: TestContext) {
  const root = tempDir(t);
  const at = (path: string) => join(root, path);
  for (const file of FILES) {
    mkdirSync(dirname(at(file)), { recursive: true, mode: 0o700 });
    writeFileSync(at(file), '', { mode: 0o600 });
  }
  writeFileSync(at('etc/init/record.json'), JSON.stringify({ version: 1, runs: [RUN] }), { mode: 0o600 });
  const url = pathToFileURL(at('lib/bucket')).href;
  const account = { kid: 'a', hmacKeyFile: at('etc/eab.key') };
  const channels = {
    slack: { webhook: { urlFile: at('etc/slack.url') } },
    own: { webhook: { url: 'https://a.test/', secretFile: at('etc/webhook.secret') } },
  };
  const config = makeConfig([{ identifiers: ['a.test'] }], {
    bucket: url,
    acme: {
      ...{ directoryUrl: 'https://ca.test/', termsOfServiceAgreed: true },
      externalAccountBinding: account,
    },
    notify: { channels },
  });
  const agent = await loadAgentConfig({
    flags: {
      ...{ bucket: url, fleet: 'default', host: 'lb1', 'state-dir': at('state/agent') },
      ...{ 'stats-socket': at('run/haproxy.sock'), 'certs-dir': at('certs/haproxy') },
    },
    env: {},
    hostname: 'lb1',
  });
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, name: 'pemfleet' };
  const look = async () => [
    ...(await mendBucket(at('lib/bucket'), owner)),
    ...(await mendIssuerPlaces(config, at('etc/pemfleet.yaml'), at('lib/bucket'))),
    ...(await mendSecrets(config, owner)),
    ...(await mendState(agent, owner)),
    ...(await mendCertificates(agent, owner)),
    ...(await mendAgentPlaces(agent, [at('etc/agent.yaml')])),
  ];
  return { at, look };
}

/** Whose parent it is says nothing of what lies in it: those are not mended. */
const FAULTS: [path: string, mode: number, isMended: boolean][] = [
  ['lib/bucket', 0o733, true],
  ['lib/bucket/.lock', 0o644, true],
  ['lib/bucket/issuer', 0o755, true],
  ['lib/bucket/issuer/account/ca.json', 0o640, true],
  ['lib/bucket/published/default/root.json', 0o602, true],
  ['state/agent', 0o711, true],
  ['state/agent/status.json', 0o644, true],
  ['certs/haproxy', 0o777, true],
  ['certs/haproxy', 0o1777, true],
  ['certs/haproxy/.pemfleet-lock', 0o666, true],
  ['etc/eab.key', 0o604, true],
  ['etc/slack.url', 0o644, true],
  ['etc/webhook.secret', 0o604, true],
  ['etc/pemfleet.yaml', 0o646, true],
  ['etc/agent.yaml', 0o602, true],
  ['etc/init', 0o755, true],
  ['etc/init/1-before-key.pem', 0o640, true],
  ['etc', 0o777, false],
  ['lib', 0o777, false],
  ['run', 0o777, false],
  ['state', 0o733, false],
  ['certs', 0o777, false],
];

test('nobody else has a right: nothing is found, nor for directories that others pass through, read, or share (/tmp)', async (t) => {
  const { at, look } = await plantTree(t);
  for (const parent of ['etc', 'lib', 'run', 'certs']) chmodSync(at(parent), 0o755);
  chmodSync(at('state'), 0o1777);
  chmodSync(at('etc/pemfleet.yaml'), 0o644);

  assert.deepEqual(
    (await look()).map(({ id, finding }) => [id, finding?.seen]),
    [],
  );
});

for (const [path, mode, isMended] of FAULTS) {
  test(`${path} with mode ${mode.toString(8)} is found${isMended ? ', and mended' : ''}`, async (t) => {
    const { at, look } = await plantTree(t);
    chmodSync(at(path), mode);

    const found = await look();
    const repairs = found.flatMap((mend) => mend.repairs ?? []);
    for (const repair of repairs) await applyRepair(repair);

    const says = found.map(({ id, finding }) => `${id}: ${finding?.seen ?? path}`).join('\n');
    assert.match(says, /^(files-open|secret-open|directory-open)/, 'found');
    assert.ok(says.includes(path), says);
    assert.equal(repairs.length > 0, isMended);
    if (isMended) assert.deepEqual(await look(), []);
    else assert.equal(statSync(at(path)).mode & 0o7777, mode);
  });
}
