// `pemfleet renew NAME…`: a forced pass over these certificates, and no others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renewCommand } from '../../../../lambda/commands/pass.ts';
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
