// `pemfleet renew NAME…`: a forced pass over these certificates, and no others.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { layout } from '#contract/layout.ts';
import { renewCommand, runCommand } from '../../../../lambda/commands/pass.ts';
import { holdCommand } from '../../../../lambda/commands/undo/hold.ts';
import { stage } from './stage.ts';

const certificates = ['kept', 'other'].map((name) => ({
  name,
  identifiers: [`${name}.test`],
  fleets: ['edge'],
}));

test('renew plans what is not due, and leaves the others alone', async (t) => {
  const { publish, run } = await stage(t, { certificates });
  for (const name of ['kept', 'other']) await publish(name);

  const { status, out, err } = await run(renewCommand, 'renew', 'kept', '--dry-run', '--json');

  assert.equal(status, 0, err);
  const outcomes: { certificate: string; result: string; reason: string }[] = JSON.parse(out).outcomes;
  assert.deepEqual(
    outcomes.map(({ certificate, result, reason }) => [certificate, result, reason]),
    [['kept', 'planned', 'forced']],
  );
});

test('renew without a name, and with one that is not configured, is refused', async (t) => {
  const { run } = await stage(t, { certificates });

  const [none, unknown] = [await run(renewCommand, 'renew'), await run(renewCommand, 'renew', 'never')];

  assert.match(String(none.status), /^UsageError .*renew wants the names of certificates, saw none/);
  assert.match(String(unknown.status), /^UsageError .*no certificate never in the configuration/);
});

test('renew of what is held says that nothing was renewed, and who ends that; its exit status is 1', async (t) => {
  const { publish, run } = await stage(t, { certificates });
  await publish('kept');
  await run(holdCommand, 'hold', 'kept', '--reason', 'old phones');

  const { status, err } = await run(renewCommand, 'renew', 'kept');

  assert.equal(status, 1, err);
  assert.match(err, /^kept: was not renewed: held \(old phones\).*; .*pemfleet resume kept ends its own$/m);
});

test('a pass that cannot keep what hosts report has failed', async (t) => {
  const { bucket, publish, report, run } = await stage(t);
  await publish('kept');
  await report('lb1', []);
  mkdirSync(fileURLToPath(`${bucket.url}/${layout.hostSummaries}`), { recursive: true });

  const { status, err } = await run(runCommand, 'run');

  assert.equal(status, 1, err);
  assert.match(err, /^what hosts report could not be read or kept: issuer\/host-book\.json/m);
});
