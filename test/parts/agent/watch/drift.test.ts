// Drift of each kind is found and repaired by the next poll, and leaves a trace: in the log, and in the host status with its culprit.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { programPath } from '../../../setup.mjs';
import { makeListed } from '../../../support/agent/listed.ts';
import { type Logged, polls } from '../../../support/agent/polls.ts';
import { entryFor, serialOf } from '../../../support/agent/publish.ts';
import { makeStage, type Stage } from '../../../support/agent/stage.ts';

const ROOT = /^file of root \(uid 0\), changed 20\d\d-\d\d-\d\dT[\d:.]+Z$/;
const RELOAD = /reload: Pid \d+, started 20\d\d-\d\d-\d\dT/;
const RUNTIME_API = /^Runtime API, unknown process$/;

type Row = [kind: string, culprit: RegExp, change: () => unknown];

/** What each poll logs of drift: repaired ones, and what could not be repaired. */
function driftIn(made: readonly Logged[][]): Logged[][] {
  return made.map((logged) => logged.filter(({ event }) => event.startsWith('drift.')));
}

async function assertRows(stage: Stage, flags: string[], rows: readonly Row[]): Promise<void> {
  const made = await polls({ flags }, [...rows.map(([, , change]) => change), () => undefined]);

  const [first, ...found] = driftIn(made);
  assert.deepEqual([first, found.pop()], [[], []], 'neither at the start nor once all is right');
  for (const [index, [kind, culprit]] of rows.entries()) {
    assert.deepEqual(
      found[index]?.map((one) => [one.event, one['kind'], one.certificate, one.file]),
      [['drift.repaired', kind, 'shop', 'shop.pem']],
      `row ${index}: ${kind}`,
    );
    assert.match(String(found[index]?.[0]?.['culprit']), culprit, `row ${index}: ${kind}`);
  }
  const { drift = [] } = await stage.status();
  const counts = new Map<string, number>();
  for (const [kind] of rows) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const sorted = (pairs: Iterable<readonly [string, number]>) =>
    [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
  assert.deepEqual(sorted(drift.map(({ kind, count }) => [kind, count])), sorted(counts));
  assert.ok(
    drift.every(({ days, file, certificate }) => days === 1 && file === 'shop.pem' && certificate === 'shop'),
  );
}

test('a crt directory: files, run time and reloads', async (t) => {
  const stage = await makeStage(t, { version: '3.2', masterWorker: true });
  const { haproxy } = stage;
  const old = await stage.publish('shop', { names: ['shop.test'] });
  await stage.pass();
  const pem = await stage.publish('shop', { names: ['shop.test'] });
  const path = join(haproxy.certsDir, 'shop.pem');
  const stranger = (await stage.pki.issue({ names: ['shop.test'] })).combined;
  const write = (text: string) => writeFileSync(path, text);
  const reloadWith = async (text: string) => {
    write(text);
    await haproxy.reload();
  };
  const link = () => {
    rmSync(path);
    symlinkSync('/nowhere', path);
  };
  const set = async (text: string) => {
    await haproxy.command(`set ssl cert ${path} <<\n${text}\n`);
    await haproxy.command(`commit ssl cert ${path}`);
  };
  const alone = pem.replace(
    /(-----END CERTIFICATE-----\n)-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/,
    '$1',
  );

  await assertRows(stage, stage.flags, [
    ['file-edited', ROOT, () => write(stranger)],
    ['file-missing', /^unknown$/, () => rmSync(path)],
    ['file-replaced', ROOT, link],
    ['mode-changed', ROOT, () => chmodSync(path, 0o644)],
    ['runtime-foreign', RUNTIME_API, () => set(stranger)],
    ['chain-lost', RUNTIME_API, () => set(alone)],
    ['line-missing', RUNTIME_API, () => haproxy.command(`del ssl crt-list ${haproxy.certsDir} ${path}`)],
    ['file-edited', RELOAD, () => reloadWith(old)],
    ['update-lost', RELOAD, () => reloadWith(old).then(() => write(pem))],
    ['file-edited', RELOAD, () => reloadWith(stranger)],
  ]);
  assert.equal((await stage.handshake('shop.test')).serial, serialOf(pem));
  assert.equal(stage.pem('shop'), pem);
});

test('a crt-list file: lines on disk and entries at run time', async (t) => {
  const { stage, list } = await makeListed(t, '3.2');
  const { haproxy } = stage;
  const flags = [...stage.flags, '--crt-list-file', list, '--haproxy-program', programPath('haproxy-3.2')];
  const { combined } = await stage.pki.issue({ names: ['shop.test'] });
  const entry = entryFor(combined, ['shop.test']);
  await stage.publishBytes('shop', combined, {
    ...entry,
    haproxy: { crtListOptions: ['alpn h2'], sniFilters: [] },
  });
  const path = join(haproxy.certsDir, 'shop.pem');
  const text = () => readFileSync(list, 'utf8');
  const remove = () => haproxy.command(`del ssl crt-list ${list} ${path}`);
  const add = (tail: string) => haproxy.command(`add ssl crt-list ${list} <<\n${path} ${tail}\n\n`);

  await assertRows(stage, flags, [
    ['line-missing', ROOT, () => writeFileSync(list, '')],
    ['line-changed', ROOT, () => writeFileSync(list, text().replace('h2', 'http/1.1'))],
    ['line-missing', RUNTIME_API, remove],
    ['line-changed', RUNTIME_API, () => remove().then(() => add('[alpn http/1.1]'))],
  ]);
});
