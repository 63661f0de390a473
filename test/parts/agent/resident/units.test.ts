// The units as systemd itself judges them, with a program that exists in the agent's place.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from '../../../support/temp-dir.ts';

const folder = fileURLToPath(new URL('../../../../agent/host/', import.meta.url));
const units = readdirSync(folder).filter((name) => name.endsWith('.service'));

const analyze = (...args: string[]) =>
  new Promise<string>((resolve, reject) => {
    execFile('systemd-analyze', args, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') reject(new Error('systemd-analyze is missing: apt-get install systemd'));
      else resolve(`${stdout}${stderr}${error === null ? '' : `\nended with ${error.code}`}`);
    });
  });

test('systemd-analyze verify is silent', async (t) => {
  const place = makeTempDir();
  t.after(() => place.remove());
  for (const unit of units) {
    const text = readFileSync(join(folder, unit), 'utf8').replaceAll('/usr/bin/pemfleet-agent', '/bin/true');
    writeFileSync(join(place.path, unit), text);
  }

  assert.ok(units.length >= 2);
  assert.equal(await analyze('verify', ...units.map((unit) => join(place.path, unit))), '');
});

const issuer = fileURLToPath(new URL('../../../../lambda/host/', import.meta.url));

test('units that write figures may write where node_exporter reads them', () => {
  const writers = [join(issuer, 'pemfleet.service'), join(folder, 'pemfleet-agent.service')];

  for (const unit of writers) {
    const [, paths = ''] = /^ReadWritePaths=(.*)$/m.exec(readFileSync(unit, 'utf8')) ?? [];
    for (const place of ['/var/lib/node_exporter', '/var/lib/prometheus/node-exporter']) {
      assert.ok(paths.split(' ').includes(`-${place}`), unit);
    }
  }
});

test('each unit has a limit of memory: what comes from outside fills no machine', () => {
  const services = [folder, issuer].flatMap((place) =>
    readdirSync(place)
      .filter((name) => name.endsWith('.service'))
      .map((name) => join(place, name)),
  );

  assert.ok(services.length >= 4);
  for (const service of services) {
    assert.match(readFileSync(service, 'utf8'), /^\[Service\][^[]*^MemoryMax=(256|512)M$/m, service);
  }
});

test('systemd-analyze security: at most 2.0, but for what starts programs that send mail', async () => {
  for (const unit of units.filter((name) => name !== 'pemfleet-alarm@.service')) {
    const text = await analyze('security', '--offline=true', '--threshold=20', join(folder, unit));
    const [, score] = /exposure level for \S+: (\d+\.\d+)/.exec(text) ?? [];

    assert.ok(Number(score) <= 2, `${unit}: ${text.split('\n').at(-2)}`);
  }
});
