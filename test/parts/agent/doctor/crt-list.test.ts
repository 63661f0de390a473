// doctor where HAProxy loads by a crt-list file, or file by file.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AgentConfig } from '../../../../agent/config/config.ts';
import { diagnose } from '../../../../agent/doctor/doctor.ts';
import type { Finding } from '../../../../agent/doctor/finding.ts';
import { openSocket } from '../../../../agent/haproxy/socket.ts';
import { programPath } from '../../../setup.mjs';
import { assertOk } from '../../../support/agent/assess.ts';
import { byFiles } from '../../../support/agent/configs.ts';
import { healthyHost } from '../../../support/agent/doctor-plants.ts';
import { makeListed } from '../../../support/agent/listed.ts';
import { agentHere } from '../../../support/agent/program.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';
import { makeWorkDir } from '../../../support/agent/work-dir.ts';
import type { HaproxyVersion } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { testedVersions } from '../../../support/parts/versions.ts';

async function examine(stage: Stage, args: string[]): Promise<Finding[]> {
  const agent = await agentHere([...stage.flags, ...args], () => undefined);
  const socketOf = ({ haproxy }: AgentConfig) => openSocket({ path: haproxy.statsSocket, timeoutMs: 8000 });
  return diagnose({
    agent,
    socketOf,
    runCommand: healthyHost,
    uid: process.getuid?.() ?? 0,
    haproxyConfig: undefined,
  });
}

const idsOf = (findings: readonly Finding[]) => findings.map(({ id }) => id);

async function makeServing(t: TestContext, version: HaproxyVersion) {
  const { stage, list } = await makeListed(t, version, { at: 'crt-list.txt', masterWorker: true });
  await stage.publish('shop', { names: ['shop.test'] });
  const args = ['--crt-list-file', list];
  assertOk(await stage.pass(args));
  return { stage, list, args };
}

const rows: { says: string; text: (own: string, certs: string) => string; finds: string; fix: RegExp }[] = [
  {
    says: 'a line that names a missing file',
    text: (own, certs) => `${own}${certs}/gone.pem\n`,
    finds: 'crt-list-file-missing',
    fix: /line 2 of .*crt-list\.txt/,
  },
  {
    says: 'options without a file',
    text: (own) => `[alpn h2]\n${own}`,
    finds: 'crt-list-line',
    fix: /line 1 of/,
  },
  {
    says: 'a comment that does not begin the line',
    text: (own) => `  # shops\n${own}`,
    finds: 'crt-list-line',
    fix: /line 1 of/,
  },
  {
    says: 'options twice',
    text: (own) => own.replace('\n', ' [alpn h2] [alpn h2]\n'),
    finds: 'crt-list-line',
    fix: /line 1 of/,
  },
  {
    says: 'a last line without its end',
    text: (own) => own.trimEnd(),
    finds: 'crt-list-line',
    fix: /line 1 of/,
  },
];

for (const version of testedVersions()) {
  test(`doctor knows a crt-list, and which lines would stop HAProxy ${version}, as "haproxy -c" does`, async (t) => {
    const { stage, list, args } = await makeServing(t, version);
    const check = join(stage.dir, 'check.cfg');
    const bind = `bind 127.0.0.1:${stage.haproxy.httpsPort} ssl crt-list ${list} strict-sni`;
    writeFileSync(check, `frontend f\n mode http\n timeout client 1s\n ${bind}\n`);
    const starts = () =>
      new Promise<boolean>((resolve) =>
        execFile(programPath(`haproxy-${version}`), ['-c', '-f', check], { timeout: 20_000 }, (error) =>
          resolve(error === null),
        ),
      );
    // with a crt-list, HAProxy does not read this
    writeFileSync(join(stage.haproxy.certsDir, 'README'), 'certificates of the shop\n', { mode: 0o644 });
    assert.deepEqual(await examine(stage, args), []);
    assert.ok(await starts());
    const own = readFileSync(list, 'utf8');

    for (const { says, text, finds, fix } of rows) {
      writeFileSync(list, text(own, stage.haproxy.certsDir));

      const findings = await examine(stage, args);

      assert.equal(await starts(), false, `${says}: HAProxy starts`);
      assert.deepEqual(idsOf(findings), [finds], says);
      assert.match(findings[0]?.fix ?? '', fix, says);
    }
    rmSync(list);
    assert.equal(await starts(), false);
    const gone = idsOf(await examine(stage, args));
    assert.ok(gone.includes('crt-list-missing'), gone.join());
    writeFileSync(list, `# shops\n\n   \n${own}# the end`);
    assert.deepEqual(await examine(stage, args), []);
    assert.ok(await starts());
  });
}

test('doctor: a list that no bind names; a directory where HAProxy has a list; the master socket', async (t) => {
  const { stage, args } = await makeServing(t, '3.2');
  const other = join(stage.dir, 'other.txt');
  writeFileSync(other, '');

  const unknown = await examine(stage, ['--crt-list-file', other]);
  const directory = await examine(stage, []);
  const master = await examine(stage, [...args, '--stats-socket', `master@${stage.haproxy.masterSocket}`]);
  const missing = await examine(stage, [...args, '--stats-socket', 'master@/nonexistent.sock']);

  assert.deepEqual(idsOf(unknown), ['crt-list-not-loaded']);
  assert.match(unknown[0]?.fix ?? '', /bind :443 ssl crt-list .*other\.txt strict-sni/);
  assert.ok(
    idsOf(directory).every((id) => id !== 'directory-not-loaded'),
    idsOf(directory).join(),
  );
  assert.deepEqual(master, []);
  assert.match(missing[0]?.fix ?? '', /-W -S \/nonexistent\.sock,mode,660,group,haproxy/);
});

test('doctor: with crt FILE the directory counts as loaded, and its other files are not read', async (t) => {
  const { workDir, certs: certsDir } = makeWorkDir(t);
  const { combined } = await (await createPki()).issue({ names: ['old.test'] });
  writeFileSync(join(certsDir, 'shop.pem'), combined, { mode: 0o600 });
  const configText = byFiles(join(certsDir, 'shop.pem'));
  const stage = await makeStage(t, { version: '3.0', workDir, configText });
  await stage.publish('shop', { names: ['shop.test'] });
  await stage.adopt('shop.pem');
  assertOk(await stage.pass());
  writeFileSync(join(certsDir, 'README'), 'nobody reads this\n');

  const findings = await examine(stage, []);

  assert.deepEqual(findings, []);
});
