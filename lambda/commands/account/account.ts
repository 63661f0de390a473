/**
 * `pemfleet account`: what each CA says of our account, which is registered where there is none. `--rollover`, `--contact`, `--new`,
 * `--deactivate` change it first. A CA that fails is one line; the others are shown.
 */

import { codeOf, messageOf } from '#contract/errors.ts';
import { canonicalUrl } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { getAccount } from '../../acme/account.ts';
import type { AcmeClient } from '../../acme/client.ts';
import { AcmeProblem } from '../../acme/problem.ts';
import { openAccount, readStoredAccount } from '../../ca/account.ts';
import { readAccountRecord } from '../../ca/account-record.ts';
import type { Ca, Cas } from '../../ca/ca.ts';
import {
  type AccountAt,
  changeContact,
  endAccount,
  replaceAccount,
  rolloverAccountKey,
} from '../../ca/change-account.ts';
import { pausedUntil } from '../../ca/pause.ts';
import { readCaState } from '../../ca/state.ts';
import { directoryNamed } from '../../config/known-cas.ts';
import { accountProblemOf } from '../../pass/caa/ca-terms.ts';
import { withCas } from '../../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  passEnvironmentOf,
  print,
  printResult,
  printToStderr,
  recordAction,
} from '../command.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { EXIT } from '../output.ts';
import { endAccountWaits } from './end-waits.ts';
import {
  type AccountChange,
  type AccountReport,
  accountAdvice,
  accountText,
  VERBS,
  type Verb,
} from './report.ts';

export const accountCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  const verb = verbOf(values);
  const { timing, log } = passEnvironmentOf(values);
  const changes = await withCas({ bucket, config, timing, log }, (cas) =>
    Promise.all(chosen(cas, verb, values).map((ca) => changeOf(ca, bucket, verb, values))),
  );
  const reports = changes.map(({ report }) => report);
  const done = changes.filter(({ isDone }) => isDone && verb !== undefined && !values['dry-run']);
  for (const { report } of done) {
    await recordAction(bucket, values, { action: `account-${verb}`, reason: report.directoryUrl });
  }
  if (values.json) printResult(values, { accounts: reports });
  else for (const report of reports) print(accountText(report));
  for (const change of changes) printToStderr(accountAdvice(change, verb, values));
  const isWell = isWellAfter(values['dry-run'] ? undefined : verb);
  if (reports.every(isWell)) return EXIT.ok;
  return reports.some(isWell) ? EXIT.partlyFailed : EXIT.failed;
};

/** Where it is to be over, it is well that it is. */
function isWellAfter(verb: Verb | undefined): (report: AccountReport) => boolean {
  if (verb === 'deactivate') return ({ status }) => status === 'refused' || status === 'deactivated';
  return ({ accountProblem, error, status }) =>
    error === undefined && accountProblem === undefined && (status === 'valid' || status === 'none');
}

/** @throws UsageError */
function verbOf(values: CommandValues): Verb | undefined {
  const given = VERBS.filter((verb) => values[verb]);
  const isReplaced = values.new && values.deactivate;
  const [verb] = isReplaced ? (['new'] as const) : given;
  if (given.length > (isReplaced ? 2 : 1)) {
    throw new UsageError(
      `account takes one of ${VERBS.map((one) => `--${one}`).join(', ')} at a time, or --new with --deactivate`,
    );
  }
  if (verb === 'deactivate' && !values.yes && !values['dry-run']) {
    throw new UsageError(
      'no CA takes a deactivated account back: --deactivate --yes leaves none until pemfleet account --new; --new --deactivate puts another one in its place',
    );
  }
  return verb;
}

/** An account is made or ended at one CA. @throws UsageError */
function chosen(cas: Cas, verb: Verb | undefined, { ca: named }: CommandValues): Ca[] {
  const all = [...cas.values()];
  const urls = [...cas.keys()].join(', ');
  if (named === undefined) {
    if (all.length > 1 && (verb === 'new' || verb === 'deactivate')) {
      throw new UsageError(`--${verb} wants one CA: --ca URL, of ${urls}`);
    }
    return all;
  }
  const ca = cas.get(canonicalUrl(directoryNamed(named)));
  if (ca === undefined) throw new UsageError(`--ca wants one of ${urls}, saw ${named}`);
  return [ca];
}

async function changeOf(
  ca: Ca,
  bucket: Bucket,
  verb: Verb | undefined,
  values: CommandValues,
): Promise<AccountChange> {
  const { settings } = ca;
  const { directoryUrl } = settings;
  const paused = pausedUntil(await readCaState(bucket), directoryUrl, now());
  const known = { directoryUrl, ...(paused && { pausedUntil: paused.toISOString() }) };
  let at: AccountAt;
  try {
    at = await ca.accountAt();
  } catch (error) {
    // The CA says nothing of the account, which is there all the same.
    const url = await storedUrl(ca, bucket);
    return { report: { ...known, url, error: errorOf(error) }, ...NOTHING_DONE };
  }
  const before = await readStoredAccount(at.options, at.directory).catch(() => undefined);
  const tried = values['dry-run']
    ? { account: before, ...(before === undefined && { status: 'none' as const }) }
    : await attempt(at, verb, values);
  const { account, error, status } = tried;
  const report = {
    ...{ ...known, url: account?.accountUrl, thumbprint: account?.thumbprint, status },
    ...(account && (await askedOf(account))),
    ...(error && { error }),
    ...accountProblemOf(settings, account),
  };
  return {
    report,
    isDone: error === undefined,
    isOtherUrl: before !== undefined && account?.accountUrl !== before.accountUrl,
    isOtherKey: account?.thumbprint !== before?.thumbprint && (before !== undefined || verb === 'rollover'),
  };
}

const NOTHING_DONE = { isDone: false, isOtherUrl: false, isOtherKey: false };

interface Attempt {
  /** As it is after it; undefined: there is none. */
  account?: AcmeClient | undefined;
  status?: 'none' | undefined;
  error?: AccountReport['error'];
}

/** What fails leaves the account that was there, or a rollover that the CA has carried out although it gave no answer. */
async function attempt(at: AccountAt, verb: Verb | undefined, values: CommandValues): Promise<Attempt> {
  try {
    return { account: await changed(at, verb, values) };
  } catch (error) {
    const stored = await readStoredAccount(at.options, at.directory).catch(() => undefined);
    const opened = stored && (await openAccount(at.options, at.directory).catch(() => stored));
    return { account: opened, error: errorOf(error) };
  }
}

function errorOf(error: unknown): { code: string; message: string } {
  return { code: codeOf(error), message: messageOf(error) };
}

async function storedUrl({ settings }: Ca, bucket: Bucket): Promise<string | undefined> {
  const stored = await readAccountRecord({ bucket, settings }).catch(() => undefined);
  return stored?.record.url;
}

/** @returns the account as it is from now on */
async function changed(at: AccountAt, verb: Verb | undefined, values: CommandValues): Promise<AcmeClient> {
  const { options, directory } = at;
  if (verb === 'rollover') return rolloverAccountKey(at);
  if (verb === 'new') {
    const before = await readStoredAccount(at.options, at.directory);
    const client = await replaceAccount(at);
    await endAccountWaits(options.bucket, options.settings.directoryUrl, now());
    if (values.deactivate && before !== undefined) await endAccount(before);
    return client;
  }
  const client = await openAccount(options, directory);
  if (verb === 'deactivate') await endAccount(client);
  // Opened, the CA was told what has changed; this tells it in any case, and says why where it refuses.
  if (verb === 'contact') await changeContact(at, client);
  return client;
}

/** The orders themselves are not listed: smallstep 0.30 breaks an account whose list is read while no order is pending. */
async function askedOf(
  client: AcmeClient,
): Promise<Pick<AccountReport, 'status' | 'contact' | 'orders' | 'error'>> {
  try {
    return await getAccount(client);
  } catch (error) {
    const isOver =
      error instanceof AcmeProblem && ['unauthorized', 'accountDoesNotExist'].includes(error.type);
    if (!isOver) return { error: errorOf(error) };
    return { status: 'refused', error: { code: 'ERR_ACME_ACCOUNT', message: messageOf(error) } };
  }
}
