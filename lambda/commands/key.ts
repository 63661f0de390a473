/** `pemfleet key show|rotate|recover|new|recovery-key`: the key that signs what is published, and the one that can replace it. */
import { createReadStream } from 'node:fs';
import { readBody } from '#common/bounded-body.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import { publicKey, signerOf } from '#contract/statement.ts';
import { configuredFleets } from '../config/config.ts';
import {
  allFleets,
  type KeyChange,
  nameRecoveryKey,
  recoverKey,
  replaceKey,
  rotateKey,
} from '../signing/change-key.ts';
import { readSigningKey, type SigningKeyRecord } from '../signing/record.ts';
import {
  MAX_RECOVERY_FILE_BYTES,
  parseRecoveryKey,
  type RecoveryKey,
  readRecoveryKey,
} from '../signing/recovery-file.ts';
import { readSignedRoots, type SignedRoot } from '../signing/signed-roots.ts';
import { openSigningKey } from '../signing/signing-key.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  passEnvironmentOf,
  print,
  printResult,
  printToStderr,
  recordAction,
} from './command.ts';
import { givenFile } from './line/given-files.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { EXIT } from './output.ts';

type Change = (change: KeyChange, values: CommandValues) => Promise<SigningKeyRecord>;

const CHANGES: Readonly<Record<string, Change>> = {
  rotate: (change) => rotateKey(change),
  recover: async (change, values) => {
    const file = values['recovery-key'];
    if (file === undefined)
      throw new UsageError('key recover wants --recovery-key FILE (- reads standard input)');
    const words = { isStolen: values.stolen, isOtherLineage: values.yes };
    return recoverKey(change, await openRecoveryKey(file), words);
  },
  new: async (change, values) => {
    const adopted = (values.adopt ?? []).map(parseKey);
    if (!values.yes && !change.dryRun && (await isUsable(change))) {
      throw new UsageError(
        'the signing key is there and works: key rotate changes it without a hand on any host; --yes begins a new lineage all the same',
      );
    }
    return replaceKey(change, adopted);
  },
  'recovery-key': async (change, values) => {
    const { out, 'recovery-key': before } = values;
    if (out === undefined) throw new UsageError('key recovery-key wants --out FILE, which must not exist');
    const previous = before === undefined ? undefined : await openRecoveryKey(before);
    return nameRecoveryKey(change, out, previous, givenFile(out));
  },
};

/** In the audit trail. */
const ACTIONS: Readonly<Record<string, string>> = {
  rotate: 'key-rotated',
  recover: 'key-recovered',
  new: 'lineage-begun',
  'recovery-key': 'recovery-key-named',
};

const NOTHING_CHANGED = 'nothing was changed (--dry-run): the key that is made will be another one\n';
const SIGNED_SOON = 'the next pass signs what is published anew, and hosts learn of it: pemfleet run\n';
const SIGNED_ALREADY = 'what is published is signed since then: hosts learn of it there\n';

export const keyCommand: Command = async (values, operands) => {
  const [verb = 'show', ...rest] = operands;
  const change = Object.hasOwn(CHANGES, verb) ? CHANGES[verb] : undefined;
  if (rest.length > 0 || (change === undefined && verb !== 'show')) {
    throw new UsageError(`key wants show, ${Object.keys(CHANGES).join(', ')}; saw ${operands.join(' ')}`);
  }
  const { config, bucket } = await loadConfigAndBucket(values, change === undefined ? 'read' : undefined);
  const configured = configuredFleets(config);
  const where: KeyChange = { bucket, configured, now: now(), dryRun: values['dry-run'] };
  if (change === undefined) return show(where, values);
  const { deadline } = passEnvironmentOf(values).timing;
  const work = () => change(where, values);
  const waitMs = deadline.getTime() - Date.now();
  const record = await (where.dryRun ? work() : bucket.exclusively('pass', waitMs, work));
  if (!where.dryRun) await recordAction(bucket, values, { action: ACTIONS[verb] ?? verb });
  const roots = await readSignedRoots(bucket, await allFleets(where));
  printKey(values, record, roots);
  const isSigned = roots.length > 0 && roots.every((root) => isSignedWith(record, root));
  printToStderr(where.dryRun ? NOTHING_CHANGED : isSigned ? SIGNED_ALREADY : SIGNED_SOON);
  return EXIT.ok;
};

async function show(where: KeyChange, values: CommandValues): Promise<number> {
  const { bucket } = where;
  const fleets = await allFleets(where);
  const problem: unknown = await openSigningKey(bucket, { fleets, dryRun: true }).then(
    () => undefined,
    (error: unknown) => error,
  );
  const stored = problem === undefined ? await readSigningKey(bucket) : undefined;
  printKey(values, stored?.record, await readSignedRoots(bucket, fleets));
  if (problem === undefined) return EXIT.ok;
  printToStderr(`${codeOf(problem)} ${messageOf(problem)}\n`);
  return EXIT.failed;
}

function printKey(
  values: CommandValues,
  record: SigningKeyRecord | undefined,
  roots: readonly SignedRoot[],
): void {
  const key = record && signerOf(record.privateKey).key;
  const earlier = record?.earlier.map((before) => before.key) ?? [];
  if (values.json) {
    const { lineage, recoveryKey } = record ?? {};
    printResult(values, { lineage, key, recoveryKey, earlier, fleets: roots });
    return;
  }
  const signedBy = (root: SignedRoot) => {
    if (root.key === key && record !== undefined && !isSignedWith(record, root))
      return 'this key, before its last word: the next pass signs it anew';
    if (root.key === key) return 'this key';
    return `${root.key}${earlier.includes(root.key) ? ', an earlier key: the next pass signs it anew' : ', which is not ours'}`;
  };
  const lines = [
    `lineage       ${record?.lineage ?? 'none'}`,
    `signing key   ${key ?? 'none'}`,
    `recovery key  ${record?.recoveryKey ?? 'none; to make one: pemfleet key recovery-key --out FILE'}`,
    ...roots.map((root) => `fleet ${root.fleet}: signed by ${signedBy(root)}`),
  ];
  print(lines.map((line) => `${line}\n`).join(''));
}

/** By today's key, after all that was said of keys. */
function isSignedWith({ privateKey, number }: SigningKeyRecord, { key, sequence }: SignedRoot): boolean {
  return key === signerOf(privateKey).key && sequence > number;
}

async function openRecoveryKey(file: string): Promise<RecoveryKey> {
  const fd = givenFile(file);
  if (file !== '-' && fd === undefined) return readRecoveryKey(file);
  const stream = fd === undefined ? process.stdin : createReadStream(file, { fd });
  const name = fd === undefined ? 'standard input' : file;
  return parseRecoveryKey(name, await readBody(stream, { maxBytes: MAX_RECOVERY_FILE_BYTES }));
}

async function isUsable({ bucket, configured }: KeyChange): Promise<boolean> {
  const isThere = (await readSigningKey(bucket).catch(() => undefined)) !== undefined;
  if (!isThere) return false;
  return openSigningKey(bucket, { fleets: configured, dryRun: true }).then(
    () => true,
    () => false,
  );
}

function parseKey(text: string) {
  const parsed = publicKey.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`--adopt wants a public key as "pemfleet key show" prints it, saw ${text}`);
}
