// HAProxy cuts its description of a certificate at `tune.bufsize`, wherever that is: what is left is not taken for the whole.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { openSocket } from '../../../../agent/haproxy/socket.ts';
import { byDirectory } from '../../../support/agent/configs.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { haproxyVersions, startHaproxy } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { freePort } from '../../../support/ports.ts';

const pki = await createPki();
/** A name of so many characters. */
const nameOf = (length: number) =>
  `${'x'.repeat(length - 5)}`.replaceAll(/x{50}(?=x)/g, `${'x'.repeat(49)}.`).concat('.test');
/** The end of the buffer falls each 10 bytes of the last 600 of a description. */
const issued = await Promise.all(
  Array.from({ length: 60 }, (_, index) => {
    const long = Array.from({ length: 16 }, (_name, each) => `${each + 10}.${nameOf(200)}`);
    const rest = index * 10;
    return pki.issue({
      names: [
        ...long,
        ...[0, 200, 400].map(
          (from, each) => `${each}.${nameOf(8 + Math.min(200, Math.max(0, rest - from)))}`,
        ),
      ],
    });
  }),
);

for (const version of haproxyVersions) {
  test(`${version}: a description that is cut anywhere is known as cut`, async (t) => {
    const { workDir, certs } = makeWorkDir(t);
    // 2.6.12 itself crashes at "show ssl cert" where less than some 60 bytes are left for the lines after the names
    const tested = issued.filter((_, index) => version !== '2.6' || index * 10 + certs.length < 500);
    for (const [index, { combined }] of tested.entries()) {
      writeFileSync(join(certs, `${index}.pem`), combined);
    }
    const socket = join(workDir, 'admin.sock');
    const config = byDirectory({ socket, certs, port: await freePort() });
    const configText = config.replace('global\n', 'global\n  tune.bufsize 4096\n');
    const haproxy = await startHaproxy({ version, workDir, configText });
    t.after(() => haproxy.stop());
    const runtime = new Runtime(openSocket({ path: socket, timeoutMs: 3000 }), async () => undefined);

    const names = tested.map((_, index) => join(certs, `${index}.pem`));
    const shown = await runtime.showCertificates(names);

    for (const [index, { leafPem }] of tested.entries()) {
      const certificate = shown.get(names[index] ?? '');
      const { fingerprint, serialNumber } = new X509Certificate(leafPem);
      assert.equal(certificate?.serial, serialNumber);
      const { sha1Fingerprint = '', chainLength = 2 } = certificate ?? {};
      assert.ok(
        ['', fingerprint.replaceAll(':', '')].includes(sha1Fingerprint),
        `${index}: ${sha1Fingerprint}`,
      );
      assert.equal(chainLength, 2, String(index));
    }
    const cut = [...shown.values()].filter((certificate) => certificate?.sha1Fingerprint === undefined);
    assert.ok(cut.length > 2 && cut.length < 30, `${cut.length} are cut before the end of the fingerprint`);
  });
}
