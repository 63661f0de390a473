// An update that fails, at whatever step, never leaves a name without a certificate.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { type FirstAnswer, openSocket, type RuntimeSocket } from '../../../../agent/haproxy/socket.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { assertOk } from '../../../support/agent/assess.ts';
import { withBind } from '../../../support/agent/configs.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { watch } from '../../../support/agent/watcher.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';
import { tempDir } from '../../../support/temp-dir.ts';

/** Before it, `commit ssl ca-file` cuts the certificates off from their bind. */
const KEEPS_LINK: readonly string[] = ['3.2', '3.4'];

const stateOf = async (stage: Stage) =>
  (await stage.status()).files.map(({ file, state, error }) => [file, state, error?.code]);

for (const version of testedVersions()) {
  for (const kind of ['ca', 'crl'] as const) {
    test(`${version}: "commit ssl ${kind}-file" by somebody, then passes: no look is without a certificate`, async (t) => {
      const { stage, commit } = await makeVerifying(t, version, kind);
      const before = await stage.publish('shop', { names: ['shop.test'] });
      await stage.publish('other', { names: ['other.test'] });
      assertOk(await stage.pass());
      const looked = watch(t, stage.haproxy.httpsPort, ['shop.test', 'other.test']);

      await commit();
      assertOk(await stage.pass());
      assertOk(await stage.pass(['--retry']));
      const after = await stage.publish('shop', { names: ['shop.test'] });
      const added = await stage.publish('added', { names: ['added.test'] });
      const renewed = await stage.pass();
      const again = await stage.pass();

      const keepsLink = KEEPS_LINK.includes(version);
      const shop = keepsLink ? ['served', undefined] : ['needs-reload', 'ERR_RUNTIME_DETACHED'];
      assert.deepEqual(
        [renewed.code, again.code],
        keepsLink ? [0, 0] : [3, 3],
        renewed.stderr + again.stderr,
      );
      assert.deepEqual(await stateOf(stage), [
        ['added.pem', 'served', undefined],
        ['other.pem', 'served', undefined],
        ['shop.pem', ...shop],
      ]);
      assert.equal(stage.pem('shop'), after);
      assert.equal((await stage.handshake('added.test')).serial, serialOf(added));
      const wire = (await stage.handshake('shop.test')).serial;
      assert.equal(wire, serialOf(keepsLink ? after : before));
      const { dark, looks } = await looked();
      assert.deepEqual(dark, []);
      assert.ok(looks > 8, `${looks} looks`);

      await stage.haproxy.restart();
      assertOk(await stage.pass());
      assert.equal((await stage.handshake('shop.test')).serial, serialOf(after));
    });
  }

  test(`${version}: a certificate that another program has put into a cut-off file: only a reload serves it, and the status says so`, async (t) => {
    const { stage, commit } = await makeVerifying(t, version, 'ca');
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    await commit();
    const next = await stage.publish('shop', { names: ['shop.test'] });
    const file = join(stage.haproxy.certsDir, 'shop.pem');
    await stage.haproxy.command(`set ssl cert ${file} <<\n${next}\n`);
    await stage.haproxy.command(`commit ssl cert ${file}`);

    const pass = await stage.pass();
    const doctor = await stage.agent('doctor', { args: ['--json'] });

    assert.equal(doctor.stdout.includes('file-cut-off'), !KEEPS_LINK.includes(version), doctor.stdout);
    const state = KEEPS_LINK.includes(version)
      ? ['served', undefined]
      : ['needs-reload', 'ERR_RUNTIME_DETACHED'];
    assert.deepEqual(await stateOf(stage), [['shop.pem', ...state]], pass.stderr);
  });

  test(`${version}: a certificate is cut off while it is being renewed: what was served stays`, async (t) => {
    const { stage, commit } = await makeVerifying(t, version, 'ca');
    const before = await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    const after = await stage.publish('shop', { names: ['shop.test'] });
    const looked = watch(t, stage.haproxy.httpsPort, ['shop.test']);

    // Once: a second time, 2.6 crashes (HAProxy's issue 3165).
    let isCommitted = false;
    await faultyPass(stage, (verb, ask) => {
      if (verb !== 'set ssl cert' || isCommitted) return undefined;
      isCommitted = true;
      return commit().then(ask);
    });

    const keepsLink = KEEPS_LINK.includes(version);
    const state = keepsLink ? ['served', undefined] : ['needs-reload', 'ERR_RUNTIME_READ_BACK'];
    assert.deepEqual(await stateOf(stage), [['shop.pem', ...state]]);
    const wire = (await stage.handshake('shop.test')).serial;
    assert.equal(wire, serialOf(keepsLink ? after : before));
    await stage.pass();
    assert.equal((await stage.status()).files[0]?.state, keepsLink ? 'served' : 'needs-reload');
    assert.deepEqual((await looked()).dark, []);
  });

  test(`${version}: a failure at each step of an update and of an addition leaves what was served`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('shop', { names: ['shop.test'] });
    await stage.publish('other', { names: ['other.test'] });
    assertOk(await stage.pass());
    const looked = watch(t, stage.haproxy.httpsPort, ['shop.test', 'other.test']);
    for (const [index, { says, fault, states, serves }] of faults.entries()) {
      const before = stage.pem('shop');
      const after = await stage.publish('shop', { names: ['shop.test'] });
      const name = `added${index}`;
      await stage.publish(name, { names: [`${name}.test`] });

      await faultyPass(stage, fault);

      const of = (file: string, all: string[][]) =>
        all.filter(([one]) => one === file).map(([, state]) => state);
      const after1 = (await stateOf(stage)) as string[][];
      assert.deepEqual(
        [of('shop.pem', after1), of(`${name}.pem`, after1)],
        states,
        `${says}: ${JSON.stringify(after1)}`,
      );
      const wire = (await stage.handshake('shop.test')).serial;
      assert.equal(wire, serialOf(serves === 'old' ? before : after), says);
      assertOk(await stage.pass(['--retry']));
      assert.equal((await stage.handshake('shop.test')).serial, serialOf(after), says);
      assert.match((await stage.handshake(`${name}.test`)).names.join(), /added/);
    }
    assert.deepEqual((await looked()).dark, []);
  });

  test(`${version}: a bind that hands out nothing with the new certificate gets the old one back`, async (t) => {
    const configText = withBind(
      `crt "\${PEMFLEET_CERTS_DIR}" strict-sni ssl-max-ver TLSv1.2 ciphers ECDHE-RSA-AES128-GCM-SHA256`,
    );
    const stage = await makeStage(t, { version, configText });
    const rsa = await stage.publish('shop', { names: ['shop.test'], keyType: 'rsa-2048' });
    assertOk(await stage.pass());
    await stage.publish('shop', { names: ['shop.test'], keyType: 'ec-p256' });

    const dark = await stage.pass();

    assert.equal(dark.code, 1, dark.stderr);
    assert.deepEqual(await stateOf(stage), [['shop.pem', 'failed', 'ERR_UPDATE_UNDONE']]);
    assert.match(dark.stderr, /the one before is served again: handshake with/);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(rsa));
    assert.equal(stage.pem('shop'), rsa);
    await stage.haproxy.restart();
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(rsa));
    const next = await stage.publish('shop', { names: ['shop.test'], keyType: 'rsa-2048' });
    assertOk(await stage.pass());
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(next));
    assert.deepEqual(stage.files(), ['shop.pem']);
  });
}

type Fault = (verb: string, ask: () => Promise<FirstAnswer>) => Promise<FirstAnswer> | undefined;

interface FaultRow {
  says: string;
  fault: Fault;
  /** Of the update and of the addition. */
  states: [string[], string[]];
  serves: 'old' | 'new';
}

const refusedBy = (text: string): FirstAnswer => ({ text, severity: 3, next: [] });
/** HAProxy does it, and answers something else. */
const lying = async (ask: () => Promise<FirstAnswer>, change: (answer: FirstAnswer) => FirstAnswer) =>
  change(await ask());
const showingOther = (from: RegExp, to: string) => (answer: FirstAnswer) => ({
  ...answer,
  next: answer.next.map((one) => ({ ...one, text: one.text.replace(from, to) })),
});

const faults: FaultRow[] = [
  {
    says: 'set is refused',
    fault: (verb) =>
      verb === 'set ssl cert'
        ? Promise.resolve(refusedBy("unable to load certificate\nCan't update F!"))
        : undefined,
    states: [['failed'], ['failed']],
    serves: 'old',
  },
  {
    says: 'set is done, its answer is lost',
    fault: (verb, ask) =>
      verb === 'set ssl cert'
        ? ask().then(() => {
            throw Object.assign(new Error('cut off'), { code: 'ERR_RUNTIME_SHORT_ANSWER' });
          })
        : undefined,
    states: [['pending'], ['pending']],
    serves: 'old',
  },
  {
    says: 'commit is refused',
    fault: (verb) =>
      verb === 'commit ssl cert' ? Promise.resolve(refusedBy('inconsistencies\nFailed!')) : undefined,
    states: [['failed'], ['failed']],
    serves: 'old',
  },
  {
    says: 'commit is done, and said to have failed',
    fault: (verb, ask) =>
      verb === 'commit ssl cert' ? lying(ask, (answer) => ({ ...answer, text: 'Failed!' })) : undefined,
    states: [['failed'], ['failed']],
    serves: 'old',
  },
  {
    says: 'add is refused',
    fault: (verb) =>
      verb === 'add ssl crt-list' ? Promise.resolve(refusedBy('unable to load\nFailed!')) : undefined,
    states: [['served'], ['failed']],
    serves: 'new',
  },
  {
    says: 'add is done, and said to have failed',
    fault: (verb, ask) =>
      verb === 'add ssl crt-list' ? lying(ask, (answer) => ({ ...answer, text: 'Failed!' })) : undefined,
    states: [['served'], ['failed']],
    serves: 'new',
  },
  {
    says: 'the read-back shows Unused, and the handshake the right one',
    fault: (verb, ask) =>
      /^(commit|add) ssl/.test(verb) ? lying(ask, showingOther(/Status: Used/, 'Status: Unused')) : undefined,
    states: [['served'], ['served']],
    serves: 'new',
  },
  {
    says: 'the read-back shows another certificate, and the handshake the right one',
    fault: (verb, ask) =>
      /^(commit|add) ssl/.test(verb) ? lying(ask, showingOther(/Serial: ../, 'Serial: FF')) : undefined,
    states: [['served'], ['served']],
    serves: 'new',
  },
];

/** A pass in this process, between whose Runtime API commands and HAProxy something goes wrong. */
async function faultyPass(stage: Stage, fault: Fault): Promise<void> {
  const socket = openSocket({ path: stage.haproxy.socket, timeoutMs: 8000 });
  const faulty: RuntimeSocket = (command, ...next) => {
    const ask = () => socket(command, ...next);
    return fault(command.verb, ask) ?? ask();
  };
  const runtime = new Runtime(faulty, async () => undefined);
  await sync({ ...(await agentHere(stage.flags, () => undefined)), runtime });
}

/** A bind that asks clients for a certificate, and somebody who renews the list of its CAs, as HAProxy's manual says. */
async function makeVerifying(t: TestContext, version: HaproxyVersion, kind: 'ca' | 'crl') {
  const { rootPem, crlPem } = await createPki();
  const dir = tempDir(t);
  const [ca, crl] = [join(dir, 'ca.pem'), join(dir, 'crl.pem')];
  writeFileSync(ca, rootPem);
  writeFileSync(crl, crlPem);
  const bind = `crt "\${PEMFLEET_CERTS_DIR}" strict-sni ca-file ${ca} crl-file ${crl} verify optional`;
  const stage = await makeStage(t, { version, configText: withBind(bind) });
  const [file, text] = kind === 'ca' ? [ca, rootPem] : [crl, crlPem];
  const commit = async () => {
    await stage.haproxy.command(`set ssl ${kind}-file ${file} <<\n${text}\n`);
    assert.match(await stage.haproxy.command(`commit ssl ${kind}-file ${file}`), /Success!/);
  };
  return { stage, commit };
}
