/** `pemfleet revoke NAME`: publishes a replacement, then revokes. Exits 1 if the replacement failed: nothing is revoked then. */
import { REVOCATION_REASONS, type RevocationReason } from '../acme/revocation.ts';
import { eraseStolenKeys } from '../publication/history/stolen-keys.ts';
import { createPublishers } from '../publication/publisher.ts';
import {
  endRevoked,
  findRevocationTargets,
  fleetsOfRevoked,
  type RevocationTarget,
  revokeTargets,
} from '../publication/revoke.ts';
import { openSigningKey } from '../signing/signing-key.ts';
import { publisherOptions } from '../upgrade/along.ts';
import { runPassExclusively, withCas } from '../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  ownIdentity,
  passEnvironmentOf,
  printJson,
  printToStderr,
  specOf,
} from './command.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { EXIT, outcomeTable } from './output.ts';

const DEFAULT_REASON = 'superseded';

export const revokeCommand: Command = async (values, operands) => {
  const [name, ...rest] = operands;
  if (name === undefined || rest.length > 0) {
    throw new UsageError(`revoke wants the name of one certificate, saw ${operands.join(' ') || 'none'}`);
  }
  const reason = reasonOf(values.reason ?? DEFAULT_REASON);
  const { config, bucket } = await loadConfigAndBucket(values);
  const spec = specOf(config, name);
  const dryRun = values['dry-run'];
  const signing = await openSigningKey(bucket, { fleets: spec.fleets, dryRun });
  const targets = await findRevocationTargets({ bucket, signing }, spec, values.serial);
  if (targets.length === 0) throw new UsageError(`${name}: nothing is published that could be revoked`);
  const environment = passEnvironmentOf(values);
  const audit = openAuditTrail(bucket, values);
  // A certificate with an earlier serial has its successor already.
  if (values.replace && values.serial === undefined) {
    const options = { force: true, freshKey: true, only: [spec.name], dryRun };
    const identity = await ownIdentity(values);
    const { outcomes } = await runPassExclusively({
      ...{ bucket, config, options, identity, audit },
      ...environment,
    });
    printToStderr(outcomeTable(outcomes));
    if (outcomes.some(({ result }) => result !== (dryRun ? 'planned' : 'issued'))) {
      const would = dryRun ? 'would not be revoked' : 'not revoked';
      printToStderr(`${would}: there is no replacement; --no-replace revokes without one\n`);
      return EXIT.failed;
    }
  }
  if (dryRun) return preview(values, spec.name, targets);
  const { timing, log } = environment;
  const revocations = await withCas({ bucket, config, timing, log }, (cas) =>
    revokeTargets({ cas, log }, targets, spec.name, reason),
  );
  const serials = revocations.map(({ serial }) => serial);
  await audit.record([{ action: 'revoked-at-ca', certificate: spec.name, before: serials, reason }]);
  const fleets = await fleetsOfRevoked({ bucket, signing }, spec);
  await endRevoked(
    createPublishers(bucket, fleets, { ...publisherOptions(bucket, signing, now, log), audit }),
    spec.name,
    targets,
  );
  const stolen = { name: spec.name, keys: targets.map(({ key }) => key), now: now() };
  const problems =
    reason === 'keyCompromise' ? await eraseStolenKeys({ bucket, signing, audit, log }, fleets, stolen) : [];
  await audit.flush();
  if (values.json) printJson({ version: 1, revocations });
  for (const { serial, isNew } of revocations) {
    printToStderr(`${name}: ${serial} ${isNew ? 'revoked' : 'was revoked already'} (${reason})\n`);
  }
  if (!values.replace && values.serial === undefined) {
    printToStderr(`${name}: nobody serves it until a pass has a new one; pemfleet plan says when that is\n`);
  }
  for (const problem of problems) printToStderr(`${name}: ${problem}\n`);
  return problems.length === 0 ? EXIT.ok : EXIT.failed;
};

/** The CA is asked nothing, and nothing is changed. */
function preview(values: CommandValues, certificate: string, targets: readonly RevocationTarget[]): number {
  const revocations = targets.map(({ leaf }) => ({ certificate, serial: leaf.serialNumber }));
  if (values.json) printJson({ version: 1, dryRun: true, revocations });
  for (const { serial } of revocations) {
    printToStderr(`${certificate}: ${serial} would be revoked (${values.reason ?? DEFAULT_REASON})\n`);
  }
  return EXIT.ok;
}

function reasonOf(value: string): RevocationReason {
  const names = Object.keys(REVOCATION_REASONS) as RevocationReason[];
  const reason = names.find((name) => name === value);
  if (reason === undefined) throw new UsageError(`--reason wants one of ${names.join(', ')}, saw ${value}`);
  return reason;
}
