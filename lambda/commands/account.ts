/**
 * `pemfleet account`: what each CA says of our account, which is registered where there is none. `--rollover`, `--contact`, `--new`,
 * `--deactivate` change it first. A CA that fails is one line; the others are shown.
 */
import { codeOf, messageOf } from '#contract/errors.ts';
import { canonicalUrl } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type AcmeAccount, getAccount, updateContact } from '../acme/account.ts';
import type { AcmeClient } from '../acme/client.ts';
import { AcmeProblem } from '../acme/problem.ts';
import { openAccount, readStoredAccount } from '../ca/account.ts';
import type { Ca, Cas } from '../ca/ca.ts';
import { type AccountAt, endAccount, replaceAccount, rolloverAccountKey } from '../ca/change-account.ts';
import { pausedUntil } from '../ca/pause.ts';
import { readCaState } from '../ca/state.ts';
import { DIRECTORIES } from '../config/acme.ts';
import { withCas } from '../wiring.ts';
import {
  type Command,
  loadConfigAndBucket,
  now,
  passEnvironmentOf,
  print,
  printJson,
  printToStderr,
} from './command.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { EXIT } from './output.ts';

/** What is shown of one CA; `--json` prints it as it is. */
interface AccountReport {
  directoryUrl: string;
  url?: string | undefined;
  thumbprint?: string | undefined;
  /** As the CA says; `refused` where it says nothing else of the account, `none` where a dry run finds none. */
  status?: AcmeAccount['status'] | 'refused' | 'none';
  contact?: readonly string[];
  /** URL of the account's list of orders. */
  orders?: string | undefined;
  /** A limit was met: the CA is left alone until then. */
  pausedUntil?: string | undefined;
  error?: { code: string; message: string };
}

const VERBS = ['rollover', 'contact', 'new', 'deactivate'] as const;
type Verb = (typeof VERBS)[number];

export const accountCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  const verb = verbOf(values);
  const { timing, log } = passEnvironmentOf(values);
  const reports = await withCas({ bucket, config, timing, log }, (cas) =>
    Promise.all(chosen(cas, verb, values).map((ca) => reportOf(ca, bucket, verb, values))),
  );
  if (values.json) printJson({ version: 1, accounts: reports });
  else for (const report of reports) print(textOf(report));
  for (const report of reports) printToStderr(adviceOf(report, verb, values));
  const isWell = isWellAfter(values['dry-run'] ? undefined : verb);
  if (reports.every(isWell)) return EXIT.ok;
  return reports.some(isWell) ? EXIT.partlyFailed : EXIT.failed;
};

/** Where it is to be over, it is well that it is. */
function isWellAfter(verb: Verb | undefined): (report: AccountReport) => boolean {
  if (verb === 'deactivate') return ({ status }) => status === 'refused' || status === 'deactivated';
  return ({ error, status }) => error === undefined && (status === 'valid' || status === 'none');
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
  const ca = cas.get(canonicalUrl(Object.hasOwn(DIRECTORIES, named) ? (DIRECTORIES[named] ?? named) : named));
  if (ca === undefined) throw new UsageError(`--ca wants one of ${urls}, saw ${named}`);
  return [ca];
}

async function reportOf(
  ca: Ca,
  bucket: Bucket,
  verb: Verb | undefined,
  values: CommandValues,
): Promise<AccountReport> {
  const { directoryUrl } = ca.settings;
  const paused = pausedUntil(await readCaState(bucket), directoryUrl, now());
  const known = { directoryUrl, ...(paused && { pausedUntil: paused.toISOString() }) };
  try {
    const at = await ca.accountAt();
    const client = values['dry-run']
      ? await readStoredAccount(at.options, at.directory)
      : await changed(at, verb, values);
    if (client === undefined) return { ...known, status: 'none' };
    const { accountUrl: url, thumbprint } = client;
    return { ...known, url, thumbprint, ...(await askedOf(client)) };
  } catch (error) {
    return { ...known, error: { code: codeOf(error), message: messageOf(error) } };
  }
}

/** @returns the account as it is from now on */
async function changed(at: AccountAt, verb: Verb | undefined, values: CommandValues): Promise<AcmeClient> {
  const { options, directory } = at;
  if (verb === 'rollover') return rolloverAccountKey(at);
  if (verb === 'new') {
    const before = await readStoredAccount(at.options, at.directory);
    const client = await replaceAccount(at);
    if (values.deactivate && before !== undefined) await endAccount(before);
    return client;
  }
  const client = await openAccount(options, directory);
  if (verb === 'deactivate') await endAccount(client);
  // Opened, the CA was told what has changed; this tells it in any case, and says why where it refuses.
  if (verb === 'contact') await updateContact(client, options.settings.contact);
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
    if (!isOver) throw error;
    return { status: 'refused', error: { code: 'ERR_ACME_ACCOUNT', message: messageOf(error) } };
  }
}

function textOf({ directoryUrl, url, thumbprint, status, contact, orders, ...rest }: AccountReport): string {
  const lines = [
    ['account', url ?? 'none'],
    ['thumbprint', thumbprint],
    ['status', status],
    ['contact', contact && (contact.join(', ') || 'none')],
    ['orders', orders],
    ['paused', rest.pausedUntil && `until ${rest.pausedUntil}: the CA has met a limit, or asked for a pause`],
    ['error', rest.error && `${rest.error.code} ${rest.error.message}`],
  ].flatMap(([what = '', value]) =>
    value === undefined || value === '' ? [] : [`  ${what.padEnd(10)} ${value}\n`],
  );
  return `${directoryUrl}\n${lines.join('')}`;
}

function adviceOf(
  { directoryUrl, status }: AccountReport,
  verb: Verb | undefined,
  values: CommandValues,
): string {
  const where = `pemfleet account --new --ca ${directoryUrl}`;
  if (values['dry-run']) {
    const would = verb ?? (status === 'none' ? 'registration' : undefined);
    return would === undefined ? '' : `${directoryUrl}: nothing was changed (--dry-run): ${WOULD[would]}\n`;
  }
  if (verb === 'deactivate') return `${directoryUrl}: deactivated for ever; another account: ${where}\n`;
  if (status === 'refused' || status === 'deactivated' || status === 'revoked') {
    return `${directoryUrl}: it orders nothing any more, and what it has ordered stays valid; another account: ${where}\n`;
  }
  const isOtherKey = verb === 'rollover' || verb === 'new';
  return isOtherKey
    ? `${directoryUrl}: the thumbprint has changed: with http-01-stateless, give every HAProxy the lines of pemfleet haproxy-config before the next order\n`
    : '';
}

const WOULD: Readonly<Record<Verb | 'registration', string>> = {
  rollover: 'the account would get another key',
  contact: 'the CA would be told the contact of the configuration',
  new: 'another account would take its place',
  deactivate: 'the account would be deactivated for ever',
  registration: 'an account would be registered',
};
