// `pemfleet init` asks at a terminal: right and wrong answers, none, Ctrl-C and Ctrl-D, on a pty of script(1).
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { asRoot, NOBODY } from '../../../support/as-root.ts';
import { issuerProgram } from '../../../support/issuer/program.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { openTerminal } from '../../../support/terminal.ts';

const program = issuerProgram();
chmodSync(dirname(program), 0o755);

const ENTER = '\r';
const [NAMES, FOR_THESE] = [
  /^Names of the certificates.*: $/m,
  /^Certificates for these names\? \[Y\/n\]: $/m,
];
const [EMAIL, CA] = [/^E-mail address.*: $/m, /^CA: .*\[staging\]: $/m];
const [AGREE, PUT] = [/^Do you agree .*\[y\/N\]: $/m, /^Put these lines .*\[y\/N\]: $/m];

/** A host whose HAProxy is not installed: init writes its own files, and shows HAProxy's lines. */
async function sit(t: TestContext, { names = [] as string[] } = {}) {
  const home = tempDir(t);
  const config = join(home, 'haproxy.cfg');
  const { combined } = await (await createPki()).issue({ names: names.length > 0 ? names : ['unused.test'] });
  writeFileSync(join(home, 'today.pem'), combined);
  const bind = names.length > 0 ? `bind :443 ssl crt ${home}/today.pem` : 'bind :80';
  const text = `global\n    stats socket ${home}/admin.sock\ndefaults\n    mode http\nfrontend web\n    ${bind}\n`;
  writeFileSync(config, text);
  const etc = join(home, 'etc');
  mkdirSync(etc);
  const words = ['--config', join(etc, 'pemfleet.yaml'), '--haproxy-config', config];
  const rest = ['--bucket', `file://${home}/bucket`, '--challenge', 'dns-01'];
  const env = { PATH: '/usr/bin:/bin', TERM: 'xterm' };
  asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, home);
  const user = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const init = (...more: string[]) => {
    const command = [...user, process.execPath, program, 'init', ...words, ...more];
    const opened = openTerminal(command, { env, deadlineMs: 10_000 });
    t.after(opened.close);
    return opened;
  };
  const terminal = init(...rest);
  const written = () => (existsSync(etc) ? readdirSync(etc) : []);
  const yaml = () => readFileSync(join(etc, 'pemfleet.yaml'), 'utf8');
  const isUnchanged = () => readFileSync(config, 'utf8') === text;
  return { ...terminal, init, written, yaml, isUnchanged };
}

test('at a terminal init asks for names, e-mail, CA and agreement, and writes what was answered', async (t) => {
  const { reply, end, yaml, isUnchanged, screen } = await sit(t);

  await reply(NAMES, `www.example.com,example.com shop.example.com${ENTER}`);
  await reply(EMAIL, `ops@example.com${ENTER}`);
  await reply(CA, ENTER);
  await reply(AGREE, `y${ENTER}`);
  await reply(PUT, `n${ENTER}`);

  assert.equal(await end(), 0, screen());
  assert.match(yaml(), /directoryUrl: letsencrypt-staging/);
  assert.match(yaml(), /contact: \["mailto:ops@example\.com"\]/);
  assert.match(
    yaml(),
    /identifiers: \[www\.example\.com, example\.com\]\n[\s\S]*identifiers: \[shop\.example\.com\]/,
  );
  assert.ok(isUnchanged());
  assert.match(screen(), /next:\n {2}.*\n? *pemfleet init.*--apply/);
});

test("at a terminal Enter takes what HAProxy's configuration names, no e-mail and staging", async (t) => {
  const { reply, end, yaml, screen } = await sit(t, { names: ['www.example.com'] });

  await reply(FOR_THESE, ENTER);
  await reply(EMAIL, ENTER);
  await reply(CA, ENTER);
  await reply(AGREE, `yes${ENTER}`);
  await reply(PUT, ENTER);

  assert.equal(await end(), 0, screen());
  assert.match(yaml(), /identifiers: \[www\.example\.com\]/);
  assert.doesNotMatch(yaml(), /contact/);
});

test('at a terminal a wrong answer is told with what is wanted, and asked again; what was answered stays', async (t) => {
  const { reply, end, yaml, screen } = await sit(t);

  await reply(NAMES, ENTER);
  await reply(NAMES, `https://shop.test/${ENTER}`);
  await reply(NAMES, `shop.test${ENTER}`);
  await reply(EMAIL, `ops${ENTER}`);
  await reply(EMAIL, `ops@shop.test${ENTER}`);
  await reply(CA, `lets encrypt${ENTER}`);
  await reply(CA, `letsencrypt${ENTER}`);
  await reply(AGREE, `maybe${ENTER}`);
  await reply(AGREE, `Y${ENTER}`);
  await reply(PUT, `n${ENTER}`);

  assert.equal(await end(), 0, screen());
  assert.match(
    screen(),
    /wanted a name[\s\S]*alone, shop\.test[\s\S]*wants an address[\s\S]*wants staging[\s\S]*y or n/,
  );
  assert.match(
    yaml(),
    /directoryUrl: letsencrypt\n[\s\S]*mailto:ops@shop\.test[\s\S]*identifiers: \[shop\.test\]/,
  );
});

test('at a terminal whoever does not agree gets nothing written, and is told why', async (t) => {
  const { reply, end, written, isUnchanged, screen } = await sit(t, { names: ['www.example.com'] });

  await reply(FOR_THESE, `y${ENTER}`);
  await reply(EMAIL, ENTER);
  await reply(CA, ENTER);
  await reply(AGREE, ENTER);

  assert.equal(await end(), 64, screen());
  assert.match(screen(), /terms of service/);
  assert.deepEqual([written(), isUnchanged()], [[], true]);
});

for (const [name, key, status] of [
  ['Ctrl-C', '\x03', 130],
  ['Ctrl-D', '\x04', 64],
] as const) {
  test(`at a terminal ${name} ends init at any question, says so, and nothing is written`, async (t) => {
    for (const question of [FOR_THESE, EMAIL, AGREE]) {
      const { reply, end, written, isUnchanged, screen } = await sit(t, { names: ['www.example.com'] });
      const before = [FOR_THESE, EMAIL, CA, AGREE];
      for (const one of before.slice(0, before.indexOf(question))) await reply(one, ENTER);
      await reply(question, key);

      assert.equal(await end(), status, screen());
      assert.match(screen(), /nothing was (written|changed)/);
      assert.deepEqual([written(), isUnchanged()], [[], true]);
    }
  });
}

test('at a terminal answers that were pasted together count one after another', async (t) => {
  const { reply, end, yaml, screen } = await sit(t, { names: ['www.example.com'] });

  await reply(FOR_THESE, `y${ENTER}ops@example.com${ENTER}letsencrypt${ENTER}y${ENTER}`);
  await reply(PUT, `n${ENTER}`);

  assert.equal(await end(), 0, screen());
  assert.match(yaml(), /directoryUrl: letsencrypt\n[\s\S]*mailto:ops@example\.com/);
});

test('at a terminal --undo asks before it acts: Enter changes nothing, --yes asks nothing', async (t) => {
  const { reply, end, init, written } = await sit(t, { names: ['www.example.com'] });
  await reply(FOR_THESE, `y${ENTER}${ENTER}${ENTER}y${ENTER}`);
  await reply(PUT, `n${ENTER}`);
  assert.equal(await end(), 0);
  const files = written();

  const asked = init('--undo');
  await asked.reply(/^Take the run of init of \S+ back\? \[y\/N\]: $/m, ENTER);
  assert.equal(await asked.end(), 0, asked.screen());
  const left = written();
  const sure = init('--undo', '--yes');

  assert.equal(await sure.end(), 0, sure.screen());
  assert.match(asked.screen(), /nothing was changed/);
  assert.ok(left.includes('pemfleet.yaml') && left.length === files.length, left.join(' '));
  assert.deepEqual(written(), []);
});
