// Whatever comes in: a coded error in status and log, the last good certificate still served, and no secret in either.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { codeOf } from '#contract/errors.ts';
import { programPath } from '../../setup.mjs';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { type Row, secrets } from './bad-pem-rows.ts';
import { rows } from './bad-rows.ts';
import { serialOf } from './publish.ts';
import { makeStage, type Stage } from './stage.ts';

const said: string[] = [];
/** The shipped configuration with one more socket, of level operator. */
function withOperatorSocket(): string {
  const file = fileURLToPath(new URL('../../../agent/host/haproxy.cfg', import.meta.url));
  const operator = `    stats socket "\${PEMFLEET_SOCKET}.op" mode 600 level operator\n`;
  return readFileSync(file, 'utf8').replace(/^ {4}stats socket/m, (line) => operator + line);
}

async function checkConfig(version: HaproxyVersion, { haproxy }: Stage): Promise<void> {
  const file = join(haproxy.certsDir, '..', 'check.cfg');
  writeFileSync(
    file,
    `frontend f\n mode http\n timeout client 1s\n bind 127.0.0.1:${haproxy.httpsPort} ssl crt ${haproxy.certsDir} strict-sni\n`,
  );
  await promisify(execFile)(programPath(`haproxy-${version}`), ['-c', '-f', file]);
}

function errorsIn(row: Row, status: { error?: unknown; files: { error?: unknown }[] }): string[] {
  const errors = row.of === 'host' ? [status.error] : status.files.map(({ error }) => error);
  return errors.flatMap((error) => (error === undefined ? [] : [codeOf(error)]));
}

/** Each row on a HAProxy of this version; and then what is good is taken as ever. */
export async function everyRow(t: TestContext, version: HaproxyVersion): Promise<void> {
  const stage = await makeStage(t, { version, configText: withOperatorSocket() });
  const pid = await stage.haproxy.pid();

  for (const row of rows) {
    await t.test(`${row.says}: ${row.code}`, async () => {
      await stage.dropManifests();
      const good = await stage.publish('shop', { names: ['shop.test'] });
      secrets.push(good);
      assert.equal((await stage.pass()).code, 0);
      const before = await stage.handshake('shop.test');
      const spoilt = await row.spoil(stage);

      const result = await stage.pass(spoilt?.args);
      const status = readFileSync(join(stage.stateDir, 'status.json'), 'utf8');

      said.push(result.stderr, status);
      assert.equal(result.code, row.exit ?? result.code, result.stderr);
      assert.ok(result.code === 1 || result.code === 3, result.stderr);
      assert.match(result.stderr, new RegExp(`code=${row.code}`));
      assert.ok(errorsIn(row, JSON.parse(status)).includes(row.code), status);
      assert.equal((await stage.handshake('shop.test')).serial, serialOf(good));
      assert.deepEqual(before.serial, serialOf(good));
      assert.equal(await stage.haproxy.pid(), pid);
      await spoilt?.mend?.();
      assert.deepEqual(
        stage.files().filter((name) => name.endsWith('-tmp')),
        [],
      );
      await checkConfig(version, stage);
    });
  }

  await stage.dropManifests();
  const mended = await stage.publish('shop', { names: ['shop.test'] });
  assert.equal((await stage.pass()).code, 0);
  assert.deepEqual(stage.files(), ['shop.pem']);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(mended));
}

/** Of all that was said so far. */
export function assertNoSecretWasSaid(): void {
  const slices = secrets.flatMap((text) => {
    const blocks = text.match(/-----BEGIN (ENCRYPTED )?PRIVATE KEY-----\r?\n[^-]*/g) ?? [];
    const body = blocks.map((block) => block.replace(/-----.*-----/, '').replaceAll(/\s/g, '')).join('');
    return Array.from({ length: Math.floor(body.length / 40) }, (_, index) =>
      body.slice(index * 40, index * 40 + 40),
    );
  });

  assert.ok(slices.length > 50 && said.length > 40, `${slices.length} ${said.length}`);
  for (const text of said) {
    // The name of a block is no secret.
    assert.doesNotMatch(text, /PRIVATE KEY-----|-----BEGIN/);
    assert.ok(!slices.some((slice) => text.replaceAll(/\s|\\n/g, '').includes(slice)));
  }
}
