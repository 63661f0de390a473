// HAProxy's own acme section (3.2 and later) and the manifest for one file: two issuers, told by log, status and doctor.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { byList } from '../../../support/agent/configs.ts';
import { entryFor, serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { haproxyVersions } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';

const acme = (workDir: string) => `
acme le
  directory https://127.0.0.1:1/directory
  account-key ${workDir}/account.key
  contact ops@example.com
  challenge HTTP-01
  map virt@acme
frontend challenge
  mode http
  bind "\${PEMFLEET_HTTP_BIND}"
  http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/),map(virt@acme)]" if { path_beg /.well-known/ }
`;

for (const version of haproxyVersions.filter((one) => one !== '2.6' && one !== '3.0')) {
  test(`${version}: a file with two issuers is renewed, and log, status and doctor say so`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    const list = join(workDir, 'list');
    const { combined } = await (await createPki()).issue({ names: ['shop.test'] });
    writeFileSync(join(certs, 'shop.pem'), combined);
    writeFileSync(list, `${certs}/shop.pem [acme le domains shop.test]\n`);
    const configText =
      byList(list).replace('global\n', 'global\n  expose-experimental-directives\n') + acme(workDir);
    const stage = await makeStage(t, { version, workDir, configText });
    const flags = ['--crt-list-file', list];
    await stage.publishBytes('shop', combined, entryFor(combined, ['shop.test']));
    await stage.pass(flags);
    const renewed = await stage.publish('shop', { names: ['shop.test'] });

    const pass = await stage.pass(flags);

    assert.match(
      pass.stderr,
      /event=certificate\.two-issuers certificate=shop .*code=ERR_RUNTIME_TWO_ISSUERS message=.*acme section le/,
    );
    const [file] = (await stage.status()).files;
    assert.deepEqual([file?.state, file?.error?.code], ['served', 'ERR_RUNTIME_TWO_ISSUERS']);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(renewed));
    const doctor = await stage.agent('doctor', { args: [...flags, '--json'] });
    assert.match(doctor.stdout, /"haproxy-acme"/);
  });
}
