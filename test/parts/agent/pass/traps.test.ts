// What HAProxy does that nobody would guess (measured on the three versions), and that the agent gets it right.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { Runtime } from '../../../../agent/haproxy/runtime.ts';
import { sync } from '../../../../agent/pass/sync.ts';
import { actionsOf, assertOk } from '../../../support/agent/assess.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { serialOf } from '../../../support/agent/publish.ts';
import { makeStage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

/** Names of the methods that are called on the way. */
function recorded(runtime: Runtime, calls: string[]): Runtime {
  return new Proxy(runtime, {
    get: (target, name) => {
      const member = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        calls.push(String(name));
        return member.apply(target, args);
      };
    },
  });
}

/** The protocol that a client with RSA only (or ECDSA only) agrees on. */
function alpnOf(port: number, servername: string, sigalgs: string): Promise<string> {
  const options = { port, servername, sigalgs, ALPNProtocols: ['h2'], rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', ...options });
    socket.once('error', reject).once('secureConnect', () => {
      resolve(String(socket.alpnProtocol));
      socket.end();
    });
  });
}

for (const version of testedVersions()) {
  test(`${version}: *.crt, *.key and *.ocsp cannot be updated at run time on every version: our files are *.pem`, async (t) => {
    const stage = await makeStage(t, { version });
    const pems: Record<string, string> = {};
    for (const round of [1, 2]) {
      for (const name of ['a.crt', 'b.key', 'c.ocsp', `_wildcard.${round}`]) {
        pems[name] = await stage.publish(name, { names: [`${name.replace('_', 'w')}.test`] });
      }
    }
    assertOk(await stage.pass());
    for (const name of ['a.crt', 'b.key', 'c.ocsp']) {
      pems[name] = await stage.publish(name, { names: [`${name}.test`] });
    }

    assertOk(await stage.pass());

    for (const name of ['a.crt', 'b.key', 'c.ocsp']) {
      assert.equal((await stage.handshake(`${name}.test`)).serial, serialOf(pems[name] as string));
    }
    assert.ok(stage.files().every((file) => file.endsWith('.pem')));
  });

  test(`${version}: an update is set and commit and nothing else: 2.6 leaks with each new and del`, async (t) => {
    const stage = await makeStage(t, { version });
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await stage.pass());
    await stage.publish('shop', { names: ['shop.test'] });
    const agent = await agentHere(stage.flags, () => undefined);
    const calls: string[] = [];

    await sync({ ...agent, runtime: recorded(agent.runtime, calls) });

    const changing = calls.filter((call) => /^(new|set|commit|add|delete)/.test(call));
    assert.deepEqual(changing, ['setCertificate', 'commitCertificate']);
  });

  test(`${version}: a pair in a crt-list has a line for each half: a bundle's options would reach the ECDSA half only`, async (t) => {
    const { stage, list } = await makeListed(t, version);
    const rsa = await stage.publish('pair', { names: ['pair.test'], keyType: 'rsa-2048' });
    const half = await stage.entry('pair');
    const ec = await stage.publish('pair', { names: ['pair.test'] });
    const other = await stage.entry('pair');
    const haproxy = { crtListOptions: ['alpn h2'], sniFilters: [] };
    await stage.publishBytes('pair', ec, { ...half, haproxy, pems: [...half.pems, ...other.pems] });
    assert.ok(rsa);

    assertOk(await stage.pass(['--crt-list-file', list]));

    for (const sigalgs of ['RSA-PSS+SHA256:RSA+SHA256', 'ECDSA+SHA256']) {
      assert.equal(await alpnOf(stage.haproxy.httpsPort, 'pair.test', sigalgs), 'h2', sigalgs);
    }
  });

  test(`${version}: HAProxy in a container has other names for our files: mapped, loaded, proved`, async (t) => {
    const { workDir } = makeWorkDir(t);
    const stage = await makeStage(t, { version, workDir });
    const inside = stage.haproxy.certsDir;
    const outside = join(workDir, 'volume', 'certs');
    mkdirSync(dirname(outside));
    // what HAProxy calls `inside` is nowhere on the host
    renameSync(inside, outside);
    const config = join(stage.dir, 'agent.yaml');
    writeFileSync(config, `haproxy: { paths: { host: ${dirname(outside)}, haproxy: ${dirname(inside)} } }\n`);
    const run = () => stage.pass(['--config', config, '--certs-dir', outside, '--json']);
    await stage.publish('shop', { names: ['shop.test'] });
    assertOk(await run());
    const pem = await stage.publish('shop', { names: ['shop.test'] });

    const renewed = await run();

    assertOk(renewed);
    assert.deepEqual(actionsOf(renewed), [['shop.pem', 'update']]);
    assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
    assert.match(await stage.haproxy.command('show ssl cert'), new RegExp(`^${inside}/shop\\.pem$`, 'm'));
  });

  test(`${version}: of a certificate with hundreds of names, HAProxy's description is cut; what is left is taken`, async (t) => {
    const stage = await makeStage(t, { version });
    // by the length of a name, the answer ends with one line feed or with two
    const domains = ['shop', 'store', 'a'];
    for (const domain of domains) {
      const names = Array.from({ length: 800 }, (_, index) => `name-${index}.${domain}.test`);
      writeFileSync(
        join(stage.haproxy.certsDir, `${domain}.pem`),
        (await stage.pki.issue({ names, serial: '0a12' })).combined,
      );
    }
    await stage.haproxy.restart();
    const { runtime } = await agentHere(stage.flags, () => undefined);

    for (const domain of domains) {
      const seen = await runtime.showCertificate(join(stage.haproxy.certsDir, `${domain}.pem`));

      assert.deepEqual([seen?.status, seen?.serial, seen?.chainLength], ['Used', '0A12', undefined]);
    }
    const files = ['none', ...domains, 'nobody'].map((name) => join(stage.haproxy.certsDir, `${name}.pem`));
    const together = await runtime.showCertificates(files);

    assert.deepEqual(
      files.map((file) => together.get(file)?.serial),
      [undefined, '0A12', '0A12', '0A12', undefined],
    );
    assert.ok([...together].every(([file, seen]) => seen === undefined || seen.filename === file));
  });
}
