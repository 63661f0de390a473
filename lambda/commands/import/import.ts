/**
 * `pemfleet import FILE…`: publishes a certificate that somebody else has issued. All is judged before anything is written; what is refused
 * changes nothing.
 */
import { assemble, namesOf } from '#contract/combined-pem.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { Config } from '../../config/config.ts';
import { readHolds } from '../../hold/holds.ts';
import { Holds } from '../../hold/in-force.ts';
import { type Arranged, arrange } from '../../import/arrange.ts';
import { judgeTrust, refuseHeldImport, refuseWorse } from '../../import/judge.ts';
import { MAX_IMPORT_BYTES, readMaterial } from '../../import/material.ts';
import { type PresentPlan, planPresent, publishPresent } from '../../import/publish.ts';
import { type ImportTarget, targetOf } from '../../import/target.ts';
import { publishedFleets } from '../../publication/fleets.ts';
import { StapleFetcher } from '../../publication/staples.ts';
import { openSigningKey } from '../../signing/signing-key.ts';
import { readTrusted } from '../../trusted/read-refusals.ts';
import {
  besidePasses,
  type Command,
  checkOwnWriter,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  passEnvironmentOf,
  printJson,
  printToStderr,
  recordServing,
} from '../command.ts';
import { readGivenFile } from '../line/given-files.ts';
import { fleetOption, nameOperand } from '../line/names.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { notifyHosts } from '../notify.ts';
import { EXIT } from '../output.ts';
import { notesOf } from './notes.ts';
import { passphraseSource } from './passphrase.ts';

/** A leaf, its chain, its key and bundles beside. */
const MAX_FILES = 50;

export const importCommand: Command = async (values, operands) => {
  const given = givenNames(values, operands);
  const ask = passphraseSource(values);
  const { config, bucket } = await loadConfigAndBucket(values);
  await checkOwnWriter({ bucket, config }, values);
  const files: { file: string; body: Buffer }[] = [];
  for (const file of operands) files.push({ file, body: await readGivenFile(file, MAX_IMPORT_BYTES) });
  const arranged = arrange(await readMaterial(files, ask), now());
  const [first] = arranged.certificates;
  const target = targetOf(config.certificates, first === undefined ? [] : namesOf(first.leaf), given);
  const work = () => importInto({ bucket, config }, values, arranged, target);
  return besidePasses(bucket, values, work);
};

function givenNames({ name: names = [], fleet }: CommandValues, operands: readonly string[]) {
  if (operands.length === 0) {
    throw new UsageError(
      'import wants files: the certificate, its intermediates and its private key, or PKCS#12; - reads standard input',
    );
  }
  if (operands.length > MAX_FILES)
    throw new UsageError(`import wants at most ${MAX_FILES} files, saw ${operands.length}`);
  if (operands.filter((file) => file === '-').length > 1)
    throw new UsageError('import reads standard input once, saw - twice');
  if (names.length > 1) throw new UsageError(`import wants one --name, saw ${names.join(' ')}`);
  const [name] = names;
  return {
    name: name === undefined ? undefined : nameOperand(name),
    fleets: fleet === undefined ? undefined : [...new Set(fleet.split(','))].map(fleetOption),
  };
}

async function importInto(
  { bucket, config }: { bucket: Bucket; config: Config },
  values: CommandValues,
  { certificates, notes: left }: Arranged,
  { name, fleets, spec }: ImportTarget,
): Promise<number> {
  const dryRun = values['dry-run'];
  const { timing, log } = passEnvironmentOf(values);
  const signing = await openSigningKey(bucket, { fleets, dryRun: true });
  const fetcher = new StapleFetcher({ config, log, timing });
  const source = { bucket, signing, now, log, fetcher, audit: openAuditTrail(bucket, values) };
  const plan = await planPresent(source, {
    ...{ name, fleets, haproxy: spec?.haproxy },
    issued: { origin: 'imported', importedAt: now().toISOString() },
    isIssuedByRoot: certificates.some(({ isIssuedByRoot }) => isIssuedByRoot),
    texts: certificates.map(({ chain, key }) => assemble(chain.map(String), key)),
  });
  if (!values.force) {
    refuseWorse(plan);
    refuseHeldImport(plan, new Holds({ stored: await readHolds(bucket), now: now() }));
  }
  const known = await publishedFleets(bucket);
  const trusted = () => readTrusted({ bucket, fleets, keys: signing, now: now() });
  const untrusted = await judgeTrust({ trusted, now }, plan, values['replace-trusted']);
  const notes = [...left, ...notesOf({ config, plan, spec, known, untrusted, now: now() })];
  if (dryRun) return show(values, plan, notes, 'planned');
  // Nothing is written before all is judged, not even the first key of a bucket.
  const signer = { ...source, signing: await openSigningKey(bucket, { fleets }) };
  await recordServing(bucket, fleets, [name]);
  const published = await publishPresent(signer, plan, values.reason);
  await notifyHosts(log, published);
  return show(values, plan, notes, published.changed);
}

/** @param changed fleets that have it since now; `planned`: nothing was written */
function show(
  values: CommandValues,
  { name, entry, fleets }: PresentPlan,
  notes: readonly string[],
  changed: readonly FleetName[] | 'planned',
): number {
  const resultOf = ({ fleet, isPublished }: PresentPlan['fleets'][number]): keyof typeof TEXTS => {
    if (changed === 'planned') return isPublished ? 'unchanged' : 'planned';
    return changed.includes(fleet) ? 'published' : 'unchanged';
  };
  const results = fleets.map((one) => ({ fleet: one.fleet, result: resultOf(one) }));
  const { identifiers, pems } = entry;
  if (values.json) {
    const certificates = pems.map(({ serial, keyType, notBefore, notAfter, chainLength }) => {
      return { serial, keyType, notBefore, notAfter, chainLength };
    });
    printJson({
      version: 1,
      dryRun: values['dry-run'],
      certificate: name,
      identifiers,
      certificates,
      fleets: results,
      notes,
    });
  }
  const serials = pems.map(({ serial, notAfter }) => `${serial} (until ${notAfter.slice(0, 10)})`).join(' ');
  const lines = results.map(({ fleet, result }) => `${name}: ${serials} ${TEXTS[result]} fleet ${fleet}\n`);
  for (const line of [...lines, ...notes.map((note) => `note: ${note}\n`)]) printToStderr(line);
  return EXIT.ok;
}

const TEXTS = {
  planned: 'would be published to',
  published: 'is published to',
  unchanged: 'is published already to',
} as const;
