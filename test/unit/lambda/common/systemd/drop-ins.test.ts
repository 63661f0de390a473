// What units may write to follows the configuration; defaults need nothing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unitDropIns, writeDropIns } from '../../../../../lambda/common/systemd/drop-ins.ts';
import { tempDir } from '../../../../support/temp-dir.ts';

const DEFAULT = 'file:///var/lib/pemfleet/bucket';
const pathOf = (unit: string) => `/etc/systemd/system/${unit}.service.d/pemfleet-paths.conf`;
const linesOf = (text: string | undefined) => text?.match(/^[A-Z]\w+=.*$/gm) ?? [];
const byUnit = (...args: Parameters<typeof unitDropIns>) =>
  Object.fromEntries(
    unitDropIns(...args).map(({ path, text }) => [path.split('/')[4]?.split('.')[0], linesOf(text)]),
  );

test('the directories that the units name themselves, and S3, need no drop-in', () => {
  const agent = ['/etc/haproxy/certs', '/var/lib/pemfleet-agent/lb1', '/var/lib/prometheus/node-exporter'];

  for (const bucket of [DEFAULT, 's3://bucket/prefix']) {
    for (const dropIns of [
      unitDropIns('issuer', { bucket, writes: [] }),
      unitDropIns('agent', { bucket, writes: agent }),
    ]) {
      assert.deepEqual(
        dropIns.map(({ text }) => text),
        dropIns.map(() => undefined),
      );
    }
  }
});

test("the migration page: a directory of pemfleet's own beside the old one can be written to", () => {
  const writes = ['/etc/haproxy/certs', '/etc/haproxy/pemfleet', '/etc/haproxy/certs-old'];

  assert.deepEqual(byUnit('agent', { bucket: DEFAULT, writes })['pemfleet-agent'], [
    'ReadWritePaths=-/etc/haproxy/pemfleet',
    'ReadWritePaths=-/etc/haproxy/certs-old',
  ]);
});

test('a bucket elsewhere: issuer and agent write to it, the responder reads it, and only the issuer sees its keys', () => {
  const bucket = 'file:///srv/tls/bucket/';

  assert.deepEqual(byUnit('issuer', { bucket, writes: [] }), {
    pemfleet: ['ReadWritePaths=-/srv/tls/bucket'],
    'pemfleet-status': ['ReadWritePaths=-/srv/tls/bucket'],
    'pemfleet-responder': ['InaccessiblePaths=-/srv/tls/bucket/issuer'],
  });
  assert.deepEqual(byUnit('agent', { bucket, writes: [] })['pemfleet-agent-first'], [
    'ReadWritePaths=-/srv/tls/bucket',
    'InaccessiblePaths=-/srv/tls/bucket/issuer',
  ]);
});

test('what units do not see (home directories, /tmp) is bound into them; spaces and percent signs are written as systemd reads them', () => {
  const dropIns = byUnit('issuer', {
    bucket: 'file:///home/ops/my%20bucket%25',
    writes: ['/var/tmp/figures'],
  });

  assert.deepEqual(dropIns['pemfleet'], [
    'ProtectHome=tmpfs',
    'BindPaths="-/home/ops/my bucket%%"',
    'BindPaths=-/var/tmp/figures',
  ]);
  assert.deepEqual(dropIns['pemfleet-responder'], [
    'ProtectHome=tmpfs',
    'BindReadOnlyPaths="-/home/ops/my bucket%%"',
    'InaccessiblePaths="-/home/ops/my bucket%%/issuer"',
  ]);
});

test('files are written where they differ, said, and taken away where nothing is to be said any more', async (t) => {
  const root = tempDir(t);
  const elsewhere = unitDropIns('agent', { bucket: DEFAULT, writes: ['/srv/certs'] });
  const paths = [pathOf('pemfleet-agent'), pathOf('pemfleet-agent-first')];

  assert.deepEqual(await writeDropIns(elsewhere, root), paths);
  assert.match(
    readFileSync(join(root, paths[0] ?? ''), 'utf8'),
    /^# .*agent\.yaml.*\n\[Service\]\nReadWritePaths=-\/srv\/certs\n$/,
  );
  assert.deepEqual(await writeDropIns(elsewhere, root), []);
  assert.deepEqual(await writeDropIns(unitDropIns('agent', { bucket: DEFAULT, writes: [] }), root), paths);
  assert.deepEqual(await writeDropIns(unitDropIns('agent', { bucket: DEFAULT, writes: [] }), root), []);
});
