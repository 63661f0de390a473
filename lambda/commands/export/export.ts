/**
 * `pemfleet export NAME --fullchain F --key F --pkcs12 F`: writes what is published into files for programs other than HAProxy. All is
 * judged before anything is written; the audit line comes before the key.
 */
import { createPrivateKey } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { whileOwnerOf } from '#common/user/while-owner.ts';
import { WrongUser } from '#common/user/wrong-user.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry, PemRef } from '#contract/manifest.ts';
import { openBucket } from '#storage/open.ts';
import { readPem } from '../../publication/entry.ts';
import type { CertificateVersions } from '../../publication/history/versions.ts';
import { type Command, loadConfig, now, print, printJson, printToStderr, recordAction } from '../command.ts';
import { passphraseSource } from '../import/passphrase.ts';
import { fleetOption, oneName } from '../line/names.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { readHistories } from '../undo/history.ts';
import { CommandRefused } from '../undo/refused.ts';
import { makePkcs12 } from './pkcs12-file.ts';
import { refuseTarget, writeTarget } from './targets.ts';

const KINDS = ['fullchain', 'key', 'pkcs12'] as const;

interface Target {
  kind: (typeof KINDS)[number];
  /** `-`: standard output. */
  file: string;
}

interface Exported {
  fleet: FleetName;
  pem: PemRef;
  chain: string[];
  key: string;
}

export const exportCommand: Command = async (values, operands) => {
  const name = oneName('export', operands);
  const targets = targetsOf(values);
  const ask = passphraseSource(values);
  const config = await loadConfig(values);
  const url = config.bucket;
  const only = values.fleet === undefined ? undefined : fleetOption(values.fleet);
  const inBucket = <T>(work: (isOwner: boolean) => Promise<T>) =>
    whileOwnerOf(url.startsWith('file://') ? fileURLToPath(url) : undefined, work);
  const exported = await inBucket(async () => {
    const bucket = await openBucket(url, 'read');
    const known = await readHistories({ bucket, config }, name, only);
    const { fleet, entry } = choose(name, known);
    const pem = pemOf(name, entry, values['key-type']);
    const { text } = await readPem(bucket, fleet, name, pem);
    const blocks = text.match(/-----BEGIN [A-Z ]+-----[\s\S]+?-----END [A-Z ]+-----\n/g) ?? [];
    const chain = blocks.filter((block) => block.startsWith('-----BEGIN CERTIFICATE-----'));
    return { fleet, pem, chain, key: blocks.filter((block) => !chain.includes(block)).join('') };
  });
  const bodies = new Map<Target, string | Buffer | undefined>();
  for (const target of targets) {
    const text = target.kind === 'pkcs12' ? undefined : textOf(target, exported);
    if (target.file !== '-') refuseTarget(target.file, text, values.force);
    bodies.set(target, text);
  }
  const pkcs12 = targets.find(({ kind }) => kind === 'pkcs12');
  if (pkcs12 !== undefined) {
    const passphrase = await ask(pkcs12.file);
    if (!passphrase) throw new UsageError(NO_PASSPHRASE);
    bodies.set(pkcs12, pkcs12Of(name, exported, passphrase));
  }
  if (!values['dry-run']) {
    await inBucket(async (isOwner) => {
      if (!isOwner) throw new WrongUser(NO_OWNER);
      const bucket = await openBucket(url, 'write');
      const reason = targets.map(({ kind }) => kind).join(', ');
      await recordAction(bucket, values, {
        ...{ action: 'exported', fleet: exported.fleet, certificate: name },
        ...{ after: [exported.pem.serial], reason },
      });
    });
  }
  return write(values, name, exported, bodies);
};

const NO_OWNER =
  'wanted to write the audit line as the owner of the bucket, saw a Node that lets nobody change the user (Debian 13): use the package of pemfleet, which has its own, or type it as that user';
const NO_PASSPHRASE =
  'PKCS#12 wants a passphrase that is not empty: --passphrase-file FILE, --passphrase-fd N, or type it at a terminal';

function targetsOf(values: CommandValues): Target[] {
  const targets = KINDS.flatMap((kind) => {
    const file = values[kind];
    return file === undefined ? [] : [{ kind, file }];
  });
  if (targets.length === 0)
    throw new UsageError('export wants --fullchain FILE, --key FILE or --pkcs12 FILE, saw none');
  const files = targets.map(({ file }) => file).filter((file) => file !== '-');
  if (new Set(files).size < files.length)
    throw new UsageError(`export wants a file for each, saw ${files.join(' ')}`);
  const out = targets.filter(({ file }) => file === '-');
  if (out.some(({ kind }) => kind === 'pkcs12')) throw new UsageError('--pkcs12 wants a file, saw -');
  if (out.length > 0 && values.json)
    throw new UsageError('wanted --json, or - for standard output, saw both');
  if (out.length > 0 && process.stdout.isTTY && !values.force)
    throw new UsageError('standard output is a terminal: wanted a file; --force writes to the terminal');
  return targets;
}

/** @throws CommandRefused where it is not published, or fleets have not the same */
function choose(
  name: CertificateName,
  known: readonly CertificateVersions[],
): { fleet: FleetName; entry: ManifestEntry } {
  const published = known.flatMap(({ fleet, entry }) => (entry === undefined ? [] : [{ fleet, entry }]));
  const [first] = published;
  if (first === undefined)
    throw new CommandRefused(
      `${name} is not published: there is nothing to export; pemfleet status shows what is`,
    );
  const digests = new Set(published.map(({ entry }) => entry.pems.map(({ sha256 }) => sha256).join()));
  if (digests.size === 1) return first;
  const each = published.map(({ fleet, entry }) => `${fleet} ${entry.pems[0]?.serial}`).join(', ');
  throw new CommandRefused(`${name}: fleets have not the same certificate (${each}): say --fleet NAME`);
}

function pemOf(name: CertificateName, { pems }: ManifestEntry, wanted: string | undefined): PemRef {
  const matches = pems.filter(({ keyType }) => wanted === undefined || keyType === wanted);
  const [pem] = matches;
  if (pem !== undefined && matches.length === 1) return pem;
  const types = pems.map(({ keyType }) => keyType).join(' and ');
  throw new CommandRefused(
    wanted === undefined
      ? `${name} has keys of the types ${types}: say --key-type ${pems[0]?.keyType}, for example`
      : `${name} has no key of the type ${wanted}: saw ${types}`,
  );
}

function textOf({ kind }: Target, { chain, key }: Exported): string {
  return kind === 'key' ? key : chain.join('');
}

function pkcs12Of(name: CertificateName, { chain, key }: Exported, passphrase: string): Buffer {
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  return makePkcs12({ chain, key: der, friendlyName: name }, passphrase);
}

async function write(
  values: CommandValues,
  name: CertificateName,
  { fleet, pem }: Exported,
  bodies: ReadonlyMap<Target, string | Buffer | undefined>,
): Promise<number> {
  const { serial, notAfter } = pem;
  const dryRun = values['dry-run'];
  const files: { kind: string; file: string; written: boolean }[] = [];
  for (const [{ kind, file }, body] of bodies) {
    if (body === undefined) throw new TypeError(kind);
    if (file === '-' && !dryRun) print(String(body));
    const written = !dryRun && (file === '-' || (await writeTarget(file, body, values.force)));
    files.push({ kind, file, written });
    const done = written ? 'is written to' : dryRun ? 'would be written to' : 'is there already in';
    printToStderr(`${name}: ${kind} of ${serial} ${done} ${file === '-' ? 'standard output' : file}\n`);
  }
  if (new Date(notAfter) <= now()) printToStderr(`${name}: ${serial} has expired at ${notAfter}\n`);
  if (values.json) printJson({ version: 1, dryRun, certificate: name, fleet, serial, notAfter, files });
  return EXIT.ok;
}
