// The token of `plan --check` goes through a real HAProxy, by the lines that we print: to the responder, and answered by HAProxy itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { responderLines, snippetOf, statelessLines } from '../../../../lambda/challenge/haproxy-lines.ts';
import { http01Solver } from '../../../../lambda/challenge/http01.ts';
import { statelessSolver } from '../../../../lambda/challenge/stateless.ts';
import { startResponderServer } from '../../../../lambda/commands/responder-server.ts';
import type { ChallengeName } from '../../../../lambda/config/challenge.ts';
import { checkResponder } from '../../../../lambda/preflight/check-responder.ts';
import { respondTo } from '../../../../lambda/responder.ts';
import { withLines } from '../../../support/agent/configs.ts';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { makeSpec } from '../../../support/issuer/documents.ts';
import { haproxyVersions, startHaproxy } from '../../../support/parts/haproxy.ts';
import { freePort } from '../../../support/ports.ts';

const THUMBPRINT = '9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI';
const version = haproxyVersions.at(-1) ?? '3.2';

test('port 80 through HAProxy: the responder answers for http-01, HAProxy for http-01-stateless, with its own thumbprint only', async (t) => {
  const bucket = memoryBucket();
  const front = await startResponderServer({
    ...{ host: '127.0.0.1', port: 0, respond: (event) => respondTo(bucket, event) },
    onError: (error) => {
      throw error;
    },
  });
  t.after(front.stop);
  const portOf = async (lines: string) => {
    const port = await freePort();
    const haproxy = await startHaproxy({ version, configText: withLines(lines, port) });
    t.after(() => haproxy.stop());
    return port;
  };
  const ports = {
    'http-01': await portOf(snippetOf(responderLines(front.address))),
    'http-01-stateless': await portOf(snippetOf(statelessLines(THUMBPRINT))),
  };
  const solvers = {
    of: async (name: ChallengeName) => (name === 'http-01' ? http01Solver(bucket) : statelessSolver),
    close: async () => undefined,
  };
  const check = async (challenge: keyof typeof ports, port: number, thumbprint = THUMBPRINT) => {
    const certificates = [makeSpec({ challenge: [challenge] })];
    const resolve = async () => ({ addresses: ['127.0.0.1'] });
    const [finding] = await checkResponder({
      ...{ certificates, solvers, resolve, thumbprint, port, allowPrivate: true },
    });
    return finding;
  };

  const through = await check('http-01', ports['http-01']);
  const stateless = await check('http-01-stateless', ports['http-01-stateless']);
  const foreign = await check('http-01-stateless', ports['http-01-stateless'], 'another');
  const mixedUp = await check('http-01', ports['http-01-stateless']);

  assert.deepEqual([through?.result, stateless?.result], ['ok', 'ok'], JSON.stringify([through, stateless]));
  assert.deepEqual([foreign?.result, mixedUp?.result], ['failed', 'failed']);
  assert.match(foreign?.saw ?? '', /^another text: /);
  assert.deepEqual(await bucket.list(layout.challenge('')), []);
});
