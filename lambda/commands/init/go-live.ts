/** `pemfleet go-live`: from the CA's staging to production, once everything is proved with staging's certificates. */
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '#common/config-error.ts';
import { whileOwnerOf } from '#common/user/while-owner.ts';
import { messageOf } from '#contract/errors.ts';
import { replaceFile } from '#storage/atomic-file.ts';
import { directoryNamed, isPublic, isStaging, KNOWN_CAS, knownCaOf } from '../../config/known-cas.ts';
import { parseConfig } from '../../config/yaml.ts';
import { aloneAtSetup } from '../../init/apply/alone.ts';
import { readState } from '../../init/apply/file-change.ts';
import { recordDirectory, recordEdit } from '../../init/apply/record.ts';
import { type ProgramEnd, runToEnd } from '../../init/apply/run-to-end.ts';
import { STAGING_COMMENT } from '../../init/documents.ts';
import { changeDirectories } from '../../init/plan/ca-words.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { unifiedDiff } from '../../init/plan/unified-diff.ts';
import type { StatusLine } from '../../status/status-line.ts';
import {
  type Command,
  loadConfig,
  loadConfigAndBucket,
  print,
  printJson,
  printResult,
  printToStderr,
  recordAction,
} from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { linesText } from '../report-table.ts';
import { statusFor } from '../status.ts';
import { refuseWithoutRights, reportFailed } from './rights.ts';

const PASS_TIMEOUT_MS = 1_000_000;
const PASS_COMMAND = 'systemctl start pemfleet';
/** Browsers trust what is in force already, and staging's takes no place of it: there is nothing to prove with staging first. */
const IN_FORCE: StatusLine['code'] = 'trusted-in-force';

export const goLiveCommand: Command = async (values) => {
  try {
    return await aloneAtSetup(values, () => goLive(values));
  } catch (error) {
    if (error instanceof Unplannable) return reportFailed(values, error);
    throw error;
  }
};

async function goLive(values: CommandValues): Promise<number> {
  const config = await loadConfig(values);
  const file = await realpath(values.config);
  const state = await readState(file);
  if (state === undefined) throw new ConfigError('ERR_CONFIG', `no configuration file at ${values.config}`);
  const before = state.body.toString();
  const after = inProduction({ ...values, bucket: config.bucket }, before);
  const diff = unifiedDiff(values.config, before, after);
  const isWritten = diff !== '' && !values['dry-run'];
  if (diff !== '') refuseWithoutRights('go-live', file);
  const directory = config.bucket.startsWith('file:') ? fileURLToPath(config.bucket) : undefined;
  const wrong = diff === '' ? [] : await whileOwnerOf(directory, () => notGreen(values));
  const problems = wrong.filter(({ code }) => code !== IN_FORCE);
  if (problems.length > 0) return refuse(values, problems);
  const isInForce = problems.length < wrong.length;
  if (isWritten) {
    await replaceFile(file, after, state);
    await recordEdit(recordDirectory(values.config), values.config, { before, after }).catch(warnOfUndo);
  }
  const failure = isWritten ? await whileOwnerOf(directory, (isOwner) => record(values, isOwner)) : undefined;
  const pass = isWritten ? await startPass() : undefined;
  report(values, { diff, isWritten, isInForce, pass });
  if (failure !== undefined) throw failure;
  return pass?.isWell === false ? EXIT.failed : EXIT.ok;
}

/** The change is made, and its way back is the editor's. */
function warnOfUndo(error: unknown): void {
  printToStderr(`pemfleet init --undo will not take this back: ${messageOf(error)}\n`);
}

/** @returns what the audit trail's store says: the change is made, whatever it is */
async function record(values: CommandValues, isOwner: boolean): Promise<unknown> {
  if (!isOwner) {
    printToStderr(
      'the audit trail has no line of this: Node on this machine lets nobody write as the owner of the bucket\n',
    );
    return undefined;
  }
  try {
    const { config, bucket } = await loadConfigAndBucket(values, 'write');
    const reason = [config.acme, ...config.fallback].map(({ directoryUrl }) => directoryUrl).join(', ');
    await recordAction(bucket, values, { action: 'went-live', reason });
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The same text, but for the directories of the CAs that are staging. @throws ConfigError, UsageError */
function inProduction({ config: file, ca, bucket }: CommandValues, text: string): string {
  if (ca !== undefined && !isDirectory(ca)) {
    throw new UsageError(`--ca wants letsencrypt, google, zerossl or an https:// URL, saw ${ca}`);
  }
  const given = bucket === undefined ? undefined : { url: bucket, origin: '--bucket' };
  const casOf = (yaml: string) => {
    const config = parseConfig(file, yaml, given);
    return [config.acme, ...config.fallback];
  };
  const cas = casOf(text);
  const wanted = cas.map(({ directoryUrl }, index) =>
    ca !== undefined && index === 0 ? ca : (productionOf(directoryUrl) ?? directoryUrl),
  );
  const isSame = (index: number) =>
    directoryNamed(cas[index]?.directoryUrl ?? '') === directoryNamed(wanted[index] ?? '');
  const changed = wanted.flatMap((word, index) => (isSame(index) ? [] : [{ word, index }]));
  const withAnchors = changed.find(({ word, index }) => cas[index]?.caFile && isPublic(directoryNamed(word)));
  if (withAnchors !== undefined) {
    throw new ConfigError(
      'ERR_CONFIG',
      `${file}: caFile names the trust anchors of a private CA, and ${withAnchors.word} is none: take caFile out, then go-live`,
    );
  }
  const after = changeDirectories(text, changed).replace(changed.length > 0 ? STAGING_COMMENT : '', '');
  const isRight = casOf(after).every(
    ({ directoryUrl }, index) => directoryNamed(directoryUrl) === directoryNamed(wanted[index] ?? ''),
  );
  if (isRight) return after;
  throw new ConfigError(
    'ERR_CONFIG',
    `${file}: wanted a directoryUrl that stands for itself, saw one that another setting shares: write by hand ${wanted.join(', ')}`,
  );
}

const isDirectory = (ca: string) => {
  const url = directoryNamed(ca);
  return URL.canParse(url) && new URL(url).protocol === 'https:' && !/[\s"'#]/.test(ca);
};

/** @returns undefined: it is no staging environment that pemfleet knows */
function productionOf(current: string): string | undefined {
  const url = directoryNamed(current);
  if (!URL.canParse(url) || !isStaging(url)) return undefined;
  const name = knownCaOf(url)?.name.replace(' (staging)', '');
  const production = KNOWN_CAS.find((one) => one.name === name);
  return production?.word ?? production?.directoryUrl;
}

/** What `pemfleet status` calls wrong, or cannot tell; a fleet without a host, and what no host serves yet, prove nothing. */
async function notGreen(values: CommandValues): Promise<readonly StatusLine[]> {
  const { lines } = await statusFor(values);
  return lines.filter(({ level, code }) => level !== 'note' || code === 'no-host' || code === 'arriving');
}

function refuse(values: CommandValues, problems: readonly StatusLine[]): number {
  const why =
    'go-live wants a green "pemfleet status" with staging\'s certificates first; nothing was changed';
  if (values.json) printJson({ version: 1, result: 'refused', problems });
  else print(linesText(problems));
  printToStderr(`${why}\n`);
  return EXIT.failed;
}

/** Where the unit is there; its user and its limits are those of every pass. */
async function startPass(): Promise<ProgramEnd | undefined> {
  if (!existsSync('/run/systemd/system') || process.getuid?.() !== 0) return undefined;
  const unit = await runToEnd(['systemctl', 'cat', 'pemfleet.service'], { timeoutMs: 10_000 });
  if (!unit.isWell) return undefined;
  return runToEnd(PASS_COMMAND.split(' '), { timeoutMs: PASS_TIMEOUT_MS });
}

interface Change {
  diff: string;
  isWritten: boolean;
  isInForce: boolean;
  pass: ProgramEnd | undefined;
}

function report(values: CommandValues, { diff, isWritten, isInForce, pass }: Change): void {
  const result = diff === '' ? 'unchanged' : isWritten ? 'changed' : 'planned';
  const passResult = pass === undefined ? 'not started' : pass.isWell ? 'done' : 'failed';
  if (values.json) {
    printResult(values, { result, diff, pass: passResult });
    return;
  }
  if (diff === '') {
    print(`${values.config} names no staging CA: nothing to change\n`);
    return;
  }
  print(diff);
  if (isInForce) print(KEPT);
  if (!isWritten) return;
  if (pass?.isWell === false) printToStderr(`the pass failed: journalctl -u pemfleet; ${pass.output}\n`);
  else print(pass === undefined ? BY_HAND : isInForce ? DONE_IN_FORCE : DONE);
}

const BY_HAND = `next:\n  sudo ${PASS_COMMAND}    (or wait for the timer)\n`;
const KEPT =
  'browsers trust a certificate that is in force already: production renews it when it is due, and nothing is tried with staging first\n';
const DONE_IN_FORCE = 'a pass has asked production for what was due: pemfleet status\n';
const DONE = 'a pass has ordered from production; hosts follow within a minute: pemfleet status\n';
