// agent/host/alarm.sh as systemd starts it: with its variables, real curl, and a program in the place of sendmail.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeTempDir } from '../../../support/temp-dir.ts';

const script = fileURLToPath(new URL('../../../../agent/host/alarm.sh', import.meta.url));
const run = promisify(execFile);

async function stage(t: TestContext) {
  const place = makeTempDir();
  t.after(place.remove);
  const programs = join(place.path, 'bin');
  const state = join(place.path, 'state');
  for (const folder of [programs, state]) mkdirSync(folder);
  const mail = join(place.path, 'mail');
  const program = (name: string, text: string) => {
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(programs, name), 0o755);
  };
  program('sendmail', `cat >> ${mail}`);
  program('journalctl', String.raw`printf 'line "one" \\ \t\033[2J\nline two\n'`);
  const messages: string[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      if (status === 200) messages.push((JSON.parse(body) as { text: string }).text);
      response.writeHead(status).end();
    });
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const alarm = async (result: string, exit = '1') => {
    const env = {
      PATH: `${programs}:${process.env['PATH']}`,
      ...{
        STATE_DIRECTORY: state,
        MONITOR_SERVICE_RESULT: result,
        MONITOR_EXIT_STATUS: exit,
        MONITOR_INVOCATION_ID: 'i',
      },
      ...{ MAIL_TO: 'sre@example.com', WEBHOOK_URL: `http://127.0.0.1:${port}/hook/secret` },
    };
    return run('sh', [script, 'pemfleet'], { env }).catch((error: { stdout: string; code: number }) => error);
  };
  const mails = () =>
    existsSync(mail) ? readFileSync(mail, 'utf8').split('To: sre@example.com\n').slice(1) : [];
  const answer = (next: number) => {
    status = next;
  };
  return { alarm, messages, mails, answer, state: join(state, 'pemfleet'), program };
}

test('an alarm is a level: told when it begins, when its exit status changes, once a day, and when it ends', async (t) => {
  const { alarm, messages, mails, state } = await stage(t);
  const subjects = () =>
    messages.map((text) =>
      text
        .split('\n')[0]
        ?.replace(/^\S+ |since .*/g, '')
        .trim(),
    );

  await alarm('success', '0');
  assert.deepEqual(subjects(), []);

  const { stdout } = await alarm('exit-code', '3');
  await alarm('exit-code', '3');
  assert.deepEqual(subjects(), ['pemfleet has failed (exit-code, exit status 3)']);
  assert.match(stdout, /^<3>\S+: pemfleet has failed/);
  assert.match(messages[0] ?? '', /since \d{4}-\d\d-\d\dT.*\nline "one" \\ .*\nline two\n$/);
  assert.ok(!messages[0]?.includes('\u001b'));

  await alarm('exit-code', '1');
  assert.equal(messages.length, 2);

  const yesterday = new Date(Date.now() - 25 * 3_600_000);
  for (const channel of ['mail', 'webhook']) utimesSync(`${state}.${channel}`, yesterday, yesterday);
  await alarm('exit-code', '1');
  assert.equal(messages.length, 3);

  await alarm('success', '0');
  await alarm('success', '0');
  assert.equal(messages.length, 4);
  assert.match(messages[3] ?? '', /pemfleet works again\nIt had failed since/);
  assert.equal(mails().length, 4);
  assert.match(mails()[0] ?? '', /^Subject: pemfleet: \S+: pemfleet has failed/);
});

test('a unit that its condition has skipped has not failed, and what had failed before has ended', async (t) => {
  const { alarm, messages } = await stage(t);

  const skipped = await alarm('exec-condition', '0');
  assert.deepEqual([skipped.stdout, messages], ['', []]);

  await alarm('exit-code', '1');
  await alarm('exec-condition', '0');
  assert.equal(messages.length, 2);
  assert.match(messages[1] ?? '', /works again/);
});

test('what a channel does not take is sent there the next time, and nowhere else again', async (t) => {
  const { alarm, messages, mails, answer } = await stage(t);
  answer(500);

  const failed = await alarm('exit-code');
  assert.equal('code' in failed && failed.code, 1);
  assert.match(failed.stdout, /^<3>the webhook did not take the message$/m);

  await alarm('exit-code');
  answer(200);
  await alarm('exit-code');
  assert.deepEqual([messages.length, mails().length], [1, 1]);
  const since = /since \S+/;
  assert.equal(since.exec(messages[0] ?? '')?.[0], since.exec(mails()[0] ?? '')?.[0]);
});

test('the secret of a webhook stands on no command line', async (t) => {
  const { alarm, program } = await stage(t);
  const place = makeTempDir();
  t.after(place.remove);
  const seen = join(place.path, 'arguments');
  program('curl', `echo "$@" > ${seen}; cat > /dev/null`);

  await alarm('exit-code');

  assert.doesNotMatch(readFileSync(seen, 'utf8'), /secret|line two/);
});
