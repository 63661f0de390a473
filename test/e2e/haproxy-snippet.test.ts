/** The lines that `pemfleet haproxy-config` prints, in a real HAProxy of each version, answer what the CA wants. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  functionUrlLines,
  type HaproxyLines,
  responderLines,
  statelessLines,
} from '../../lambda/challenge/haproxy-lines.ts';
import { startResponderServer } from '../../lambda/commands/responder-server.ts';
import { programPath } from '../setup.mjs';
import { withParts } from '../support/agent/configs.ts';
import { type HaproxyVersion, haproxyVersions, startHaproxy } from '../support/parts/haproxy.ts';
import { createPki } from '../support/parts/pki.ts';
import { request } from '../support/request.ts';
import { tempDir } from '../support/temp-dir.ts';

const TOKEN = 'mIiLp5zTHR4UsMgXe66V7zsf5YhGWVjk9n3Rt0wen5U';
const THUMBPRINT = '9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI';

const CHALLENGE = `/.well-known/acme-challenge/${TOKEN}`;

/** Both frontends as a CA and a visitor meet them: plain HTTP, and HTTPS where something before HAProxy redirects. */
async function answersOf(version: HaproxyVersion, lines: HaproxyLines, t: TestContext) {
  const haproxy = await startHaproxy({ version, configText: withParts(lines) });
  t.after(() => haproxy.stop());
  const pki = await createPki();
  const { combined } = await pki.issue({ names: ['www.example.com'] });
  writeFileSync(join(haproxy.certsDir, 'www.pem'), combined);
  await haproxy.restart();
  const headers = { host: 'www.example.com' };
  const plain = (path: string) => request(`http://127.0.0.1:${haproxy.httpPort}${path}`, { headers });
  const tls = (path: string) =>
    request(`https://127.0.0.1:${haproxy.httpsPort}${path}`, {
      ...{ headers, ca: pki.rootPem, servername: 'www.example.com' },
    });
  const [challenge, nonsense, page] = await Promise.all([
    plain(CHALLENGE),
    plain('/.well-known/acme-challenge/<script>'),
    plain('/'),
  ]);
  return { challenge, nonsense, page, tlsChallenge: await tls(CHALLENGE), tlsPage: await tls('/page') };
}

for (const version of haproxyVersions) {
  for (const kind of ['stateless', 'responder'] as const) {
    test(`HAProxy ${version}, ${kind}: challenges are answered on 80 and on 443, plain HTTP is redirected, and pages stay`, async (t) => {
      const respond = async () => ({ statusCode: 200, headers: {}, body: 'from the responder' });
      const front = await startResponderServer({
        ...{ host: '127.0.0.1', port: 0, respond, onError: () => undefined },
      });
      t.after(() => front.stop());
      const isStateless = kind === 'stateless';
      const lines = isStateless ? statelessLines(THUMBPRINT) : responderLines(front.address);

      const { challenge, nonsense, page, tlsChallenge, tlsPage } = await answersOf(version, lines, t);

      const answer = [200, isStateless ? `${TOKEN}.${THUMBPRINT}` : 'from the responder'];
      assert.deepEqual([challenge.status, challenge.body], answer);
      assert.deepEqual([tlsChallenge.status, tlsChallenge.body], answer);
      assert.equal(nonsense.status, 404);
      assert.deepEqual([page.status, page.headers.location], [301, 'https://www.example.com/']);
      assert.deepEqual([tlsPage.status, tlsPage.body], [200, 'page']);
    });
  }

  test(`HAProxy ${version} takes the lines for a Lambda URL, with the CAs that the system trusts, without a warning`, async (t) => {
    const dir = tempDir(t);
    const lines = functionUrlLines('abc.lambda-url.eu-west-1.on.aws');
    writeFileSync(join(dir, 'haproxy.cfg'), withParts({ ...lines, sections: '' }));
    writeFileSync(join(dir, 'acme.cfg'), lines.sections);
    mkdirSync(join(dir, 'certs'));
    const { combined } = await (await createPki()).issue({ names: ['www.example.com'] });
    writeFileSync(join(dir, 'certs', 'www.pem'), combined);
    const env = {
      ...process.env,
      ...{ PEMFLEET_SOCKET: join(dir, 's'), PEMFLEET_HTTP_BIND: ':8080', PEMFLEET_HTTPS_BIND: ':8443' },
      PEMFLEET_CERTS_DIR: join(dir, 'certs'),
    };
    const args = ['-c', '-f', join(dir, 'haproxy.cfg'), '-f', join(dir, 'acme.cfg')];

    const { status, stderr } = spawnSync(programPath(`haproxy-${version}`), args, { encoding: 'utf8', env });

    assert.deepEqual([status, stderr.replace(/^\[NOTICE\].*\n/gm, '')], [0, '']);
  });
}
