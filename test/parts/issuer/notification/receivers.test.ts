// Receivers of all sorts: each costs its time-out at most, none is believed beyond its status, and no secret stands in what is said.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { printableLines } from '#common/printable.ts';
import { selfSigned } from '#common/self-signed.ts';
import { DAY_MS } from '#common/time.ts';
import { channel } from '../../../../lambda/config/notify/channel.ts';
import { ExecChannel } from '../../../../lambda/notification/channels/machine/exec.ts';
import { SendmailChannel } from '../../../../lambda/notification/channels/machine/sendmail.ts';
import { WebhookChannel } from '../../../../lambda/notification/channels/webhook.ts';
import { type NoticeChannel, sendOnce } from '../../../../lambda/notification/deliver.ts';
import { noon } from '../../../support/clock.ts';
import { sampleNotices } from '../../../support/notification/samples.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const notice = new Map(await sampleNotices()).get('failing');
assert.ok(notice);
const SECRET_PATH = '/services/T0000SECRET/B0000SECRET';

async function receiver(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${SECRET_PATH}`;
}

const webhook = (url: string, more: object = {}, timeoutSeconds = 1): NoticeChannel => {
  const { webhook: settings } = channel.parse({ webhook: { url, ...more } });
  assert.ok(settings);
  return new WebhookChannel(settings, timeoutSeconds, {}, () => noon);
};

const textIn = async (request: IncomingMessage) => (await request.setEncoding('utf8').toArray()).join('');

test('a receiver checks the signature, its time and the id, as Standard Webhooks says', async (t) => {
  const secretFile = join(tempDir(t), 'secret');
  const key = Buffer.from('a secret of thirty-two bytes, ok');
  writeFileSync(secretFile, `whsec_${key.toString('base64')}\n`, { mode: 0o600 });
  const checked: unknown[] = [];
  const url = await receiver(t, async (request, response) => {
    const body = await textIn(request);
    const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature } = request.headers;
    const wanted = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
    checked.push([signature === `v1,${wanted}`, id === notice.id, Number(time) * 1000 === noon.getTime()]);
    response.end(JSON.parse(body).kind);
  });

  const result = await sendOnce(notice, webhook(url, { secretFile }), 5000);

  assert.equal(result.isSent, true, result.said);
  assert.deepEqual(checked, [[true, true, true]]);
});

const ROWS: readonly [says: string, isSent: boolean, said: RegExp, answer: RequestListener][] = [
  ['takes it', true, /answers 204$/, (_, response) => response.writeHead(204).end()],
  ['fails', false, /answers 500: oops/, (_, response) => response.writeHead(500).end('oops')],
  [
    'quotes the secret path',
    false,
    /answers 404: no …, …$/,
    (_, response) => response.writeHead(404).end('no T0000SECRET, B0000SECRET'),
  ],
  [
    'acts on terminals',
    false,
    /answers 400: \[31m$/,
    (_, response) => response.writeHead(400).end('\u001b[31m'),
  ],
  [
    'redirects',
    false,
    /a redirect, which is not followed/,
    (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
  ],
  ['hangs', false, /no answer within 1 s/, () => undefined],
  ['hangs up', false, /does not answer/, (request) => request.socket.destroy()],
  [
    'takes it, and answers without end',
    true,
    /answers 200$/,
    (_, response) => {
      response.writeHead(200);
      const send = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', send);
      };
      send();
    },
  ],
  [
    'drips',
    false,
    /no answer within 1 s/,
    (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 100);
      response.once('close', () => clearInterval(timer));
    },
  ],
];

for (const [says, isSent, said, answer] of ROWS) {
  test(`a receiver that ${says}`, async (t) => {
    const begin = performance.now();

    const result = await sendOnce(notice, webhook(await receiver(t, answer)), 5000);

    assert.equal(result.isSent, isSent, result.said);
    assert.match(result.said, said);
    assert.doesNotMatch(result.said, /SECRET/);
    assert.ok(performance.now() - begin < 3000, 'its time-out at most');
  });
}

test('TLS is verified: by the CA that the configuration names, and by no other', async (t) => {
  const directory = tempDir(t);
  const pem = selfSigned('localhost', new Date(Date.now() - DAY_MS), new Date(Date.now() + DAY_MS));
  const server = createTlsServer({ key: pem, cert: pem }, (_, response) => response.end()).listen(
    0,
    '127.0.0.1',
  );
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
  const caFile = join(directory, 'ca.pem');
  writeFileSync(caFile, pem);

  const refused = await sendOnce(notice, webhook(url), 5000);

  const taken = await sendOnce(notice, webhook(url, { caFile }), 5000);
  assert.equal(taken.isSent, true, taken.said);
  assert.match(refused.said, /does not answer: (DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY)/);
});

test('a secret that others may read, or that is none, is refused without its content', async (t) => {
  const secretFile = join(tempDir(t), 'secret');
  writeFileSync(secretFile, 'geheim');
  const send = () => sendOnce(notice, webhook('http://127.0.0.1:9/', { secretFile }), 5000);

  chmodSync(secretFile, 0o644);
  assert.match((await send()).said, /wanted mode 0600 or 0640, saw 0644; chmod 0600/);
  writeFileSync(secretFile, 'geheim\nzwei');
  chmodSync(secretFile, 0o600);
  const { said } = await send();
  assert.match(said, /wanted a secret in one line, saw several lines/);
  assert.doesNotMatch(said, /geheim/);
});

function program(t: TestContext, script: string): string {
  const file = join(tempDir(t), 'program');
  writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

test('a program gets the facts and nothing else, without a shell; its output is printable', async (t) => {
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test-of-environment';
  const lines: string[] = [];
  const file = program(t, 'env; printf "\\033[31m%s\\n" "$1"; cat | wc -l');
  const exec = new ExecChannel([file, '$(id); *'], 5, (line) => lines.push(line));

  const { isSent, said } = await sendOnce(notice, exec, 5000);

  assert.equal(isSent, true, said);
  assert.ok(
    lines.includes('PEMFLEET_KIND=failing') && lines.includes('PEMFLEET_CERTIFICATE=www.example.com'),
  );
  assert.ok(lines.includes('[31m$(id); *') && lines.includes('1'), lines.join('|'));
  assert.doesNotMatch(lines.join(), /AWS_|HOME=/);
  assert.equal(printableLines(lines.join()), lines.join());
});

test('a program that hangs is ended with its children, and costs its time-out', async (t) => {
  const pids: number[] = [];
  const exec = new ExecChannel(
    [program(t, 'sleep 600 & echo $!; trap "" TERM; sleep 600; sleep 600')],
    1,
    (line) => pids.push(Number(line)),
  );
  const begin = performance.now();

  const { isSent, said } = await sendOnce(
    notice,
    { timeoutSeconds: 5, send: (...all) => exec.send(...all) },
    6000,
  );

  assert.deepEqual([isSent, pids.length], [false, 1], said);
  assert.match(said, /no end within 1 s/);
  assert.ok(performance.now() - begin < 5000);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test('mail goes to the addresses, with the same id each time; a mail program that fails says why', async (t) => {
  const directory = tempDir(t);
  const mail = new SendmailChannel(
    ['ops@example.com', 'root'],
    5,
    program(t, `echo "$@" >${directory}/args; cat >${directory}/mail`),
  );
  const fails = new SendmailChannel(['root'], 5, program(t, 'echo "postdrop: denied" >&2; exit 75'));

  assert.equal((await sendOnce(notice, mail, 5000)).isSent, true);
  const { said } = await sendOnce(notice, fails, 5000);

  assert.match(said, /exit status 75: postdrop: denied/);
});
