// Two operators, or one who types it twice: what one run has adopted, no other takes for its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { oldMachine } from '../../../support/adopt/old-machine.ts';
import { createPki } from '../../../support/parts/pki.ts';

/** @returns exit status and standard error */
const typed = ([program = '', ...args]: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(program, args, (error, _, stderr) => resolve(`${error?.code ?? 0} ${stderr}`));
  });

const REFUSED = /^1 wanted to be the only init, adopt or go-live at work, saw \S+\/etc: is held by another/;

test('two adopt at once, and --undo beside adopt: one does its work, the other one is refused and changes nothing', async (t) => {
  const pki = await createPki();
  const { certs, home, adoptWords, adopt, own, start, snapshot } = await oldMachine(t, { version: '3.2' });
  for (const name of ['www', 'shop', 'mail']) {
    const { combined } = await pki.issue({ names: [`${name}.example.com`] });
    writeFileSync(join(certs, `${name}.pem`), combined, { mode: 0o600 });
  }
  own();
  await start();
  const old = snapshot();

  const both = await Promise.all([typed(adoptWords('--yes')), typed(adoptWords('--yes'))]);

  const adopted = snapshot();
  assert.ok(adopted.has('/etc/pemfleet.yaml'), both.join(''));
  assert.equal(both.filter((one) => one.startsWith('0')).length >= 1, true, both.join(''));
  for (const one of both) assert.match(one, one.startsWith('0') ? /^0 / : REFUSED);

  const held = ['flock', '--no-fork', join(home, 'etc'), '-c', 'echo held; exec sleep 60'];
  const holder = execFile(held[0] ?? '', held.slice(1));
  t.after(() => holder.kill());
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  for (const words of [['--undo'], ['--yes'], ['--disable-old', '--yes']]) {
    assert.match(await typed(adoptWords(...words)), REFUSED);
    assert.deepEqual(snapshot(), adopted);
  }
  holder.kill();
  const undone = adopt('--undo');
  assert.deepEqual([undone.status, snapshot()], [0, old], undone.stderr);
});
