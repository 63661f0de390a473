/** `pemfleet revoke NAME`: replaces, then revokes. Exit status 1 if the replacement failed: then nothing was revoked. */
import { REVOCATION_REASONS, type RevocationReason } from '../acme/revocation.ts';
import { findRevocationTargets, revokeTargets } from '../ca/revoke.ts';
import { runPass, withCas } from '../wiring.ts';
import { type Command, open, passEnvironmentOf, printJson, say, specOf, UsageError } from './command.ts';
import { EXIT, outcomeTable } from './output.ts';

export const revokeCommand: Command = async (values, operands) => {
  const [name, ...rest] = operands;
  if (name === undefined || rest.length > 0) throw new UsageError('revoke wants the name of one certificate');
  const reason = reasonOf(values.reason);
  const { config, bucket } = await open(values);
  const spec = specOf(config, name);
  const targets = await findRevocationTargets(bucket, spec, values.serial);
  if (targets.length === 0) throw new UsageError(`${name}: nothing published that could be revoked`);
  const around = passEnvironmentOf(values);
  // An earlier serial has its successor already.
  if (values.replace && values.serial === undefined) {
    const { outcomes } = await runPass(
      bucket,
      config,
      { force: true, freshKey: true, only: [spec.name] },
      around,
    );
    say(outcomeTable(outcomes));
    if (outcomes.some(({ result }) => result !== 'issued')) {
      say('not revoked, because there is no replacement; --no-replace revokes all the same\n');
      return EXIT.failed;
    }
  }
  const revocations = await withCas(bucket, config, around.timing, (authorities) =>
    revokeTargets(targets, authorities, spec.name, reason, around.log),
  );
  if (values.json) printJson({ version: 1, revocations });
  for (const { serial, isNew } of revocations)
    say(`${name}: ${serial} ${isNew ? 'revoked' : 'was revoked already'} (${reason})\n`);
  return EXIT.ok;
};

function reasonOf(value: string): RevocationReason {
  const known = Object.keys(REVOCATION_REASONS) as RevocationReason[];
  const reason = known.find((name) => name === value);
  if (reason === undefined) throw new UsageError(`--reason ${value}: wanted one of ${known.join(', ')}`);
  return reason;
}
