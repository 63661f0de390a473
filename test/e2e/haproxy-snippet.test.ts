/** The lines that `pemfleet haproxy-config` prints, in a real HAProxy of each version, answer what the CA wants. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { responderSnippet, statelessSnippet } from '../../lambda/challenge/haproxy-lines.ts';
import { startResponderServer } from '../../lambda/commands/responder-server.ts';
import { withLines } from '../support/agent/configs.ts';
import { haproxyVersions, startHaproxy } from '../support/parts/haproxy.ts';
import { freePort } from '../support/ports.ts';
import { request } from '../support/request.ts';

const TOKEN = 'mIiLp5zTHR4UsMgXe66V7zsf5YhGWVjk9n3Rt0wen5U';
const THUMBPRINT = '9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI';

for (const version of haproxyVersions) {
  test(`HAProxy ${version} answers challenges from the thumbprint, and redirects the rest`, async (t) => {
    const port = await freePort();
    const haproxy = await startHaproxy({
      version,
      configText: withLines(statelessSnippet(THUMBPRINT), port),
    });
    t.after(() => haproxy.stop());
    const get = (path: string) =>
      request(`http://127.0.0.1:${port}${path}`, { headers: { host: 'www.example.com' } });

    const [answer, nonsense, page] = await Promise.all([
      get(`/.well-known/acme-challenge/${TOKEN}`),
      get('/.well-known/acme-challenge/<script>'),
      get('/'),
    ]);

    assert.deepEqual([answer.status, answer.body], [200, `${TOKEN}.${THUMBPRINT}`]);
    assert.equal(nonsense.status, 404);
    assert.deepEqual([page.status, page.headers.location], [301, 'https://www.example.com/']);
  });

  test(`HAProxy ${version} passes challenges to the responder, and redirects the rest`, async (t) => {
    const respond = async () => ({ statusCode: 200, headers: {}, body: 'from the responder' });
    const front = await startResponderServer({
      host: '127.0.0.1',
      port: 0,
      respond,
      onError: () => undefined,
    });
    t.after(() => front.stop());
    const port = await freePort();
    const haproxy = await startHaproxy({
      version,
      configText: withLines(responderSnippet(front.address), port),
    });
    t.after(() => haproxy.stop());
    const get = (path: string) =>
      request(`http://127.0.0.1:${port}${path}`, { headers: { host: 'www.example.com' } });

    const [answer, page] = await Promise.all([get(`/.well-known/acme-challenge/${TOKEN}`), get('/')]);

    assert.deepEqual([answer.status, answer.body], [200, 'from the responder']);
    assert.equal(page.status, 301);
  });
}
