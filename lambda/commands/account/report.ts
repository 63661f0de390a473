/** What `pemfleet account` prints of a CA, for people and as JSON. */
import type { AcmeAccount } from '../../acme/account.ts';
import type { CommandValues } from '../line/options.ts';

/** What is shown of one CA; `--json` prints it as it is. */
export interface AccountReport {
  directoryUrl: string;
  url?: string | undefined;
  thumbprint?: string | undefined;
  /** As the CA says; `refused` where it says nothing else of the account, `none` where a dry run finds none. */
  status?: AcmeAccount['status'] | 'refused' | 'none' | undefined;
  contact?: readonly string[];
  /** URL of the account's list of orders. */
  orders?: string | undefined;
  /** A limit was met: the CA is left alone until then. */
  pausedUntil?: string | undefined;
  error?: { code: string; message: string };
  /** `acme.accountUri` is not this account. */
  accountProblem?: string | undefined;
}

export interface AccountChange {
  report: AccountReport;
  /** What was asked for is done. */
  isDone: boolean;
  /** HAProxy's lines and DNS records name another account, or another key. */
  isOtherUrl: boolean;
  isOtherKey: boolean;
}

export const VERBS = ['rollover', 'contact', 'new', 'deactivate'] as const;
export type Verb = (typeof VERBS)[number];

export function accountText({
  directoryUrl,
  url,
  thumbprint,
  status,
  contact,
  orders,
  ...rest
}: AccountReport): string {
  const lines = [
    ['account', url ?? (rest.error === undefined || status === 'none' ? 'none' : 'unknown, or none')],
    ['thumbprint', thumbprint],
    ['status', status],
    ['contact', contact && (contact.join(', ') || 'none')],
    ['orders', orders],
    ['paused', rest.pausedUntil && `until ${rest.pausedUntil}: the CA has met a limit, or asked for a pause`],
    ['wrong', rest.accountProblem],
    ['error', rest.error && `${rest.error.code} ${rest.error.message}`],
  ].flatMap(([what = '', value]) =>
    value === undefined || value === '' ? [] : [`  ${what.padEnd(10)} ${value}\n`],
  );
  return `${directoryUrl}\n${lines.join('')}`;
}

export function accountAdvice(
  { report: { directoryUrl, status }, isDone, isOtherKey, isOtherUrl }: AccountChange,
  verb: Verb | undefined,
  values: CommandValues,
): string {
  const where = `pemfleet account --new --ca ${directoryUrl}`;
  if (values['dry-run']) {
    const would = verb ?? (status === 'none' ? 'registration' : undefined);
    return would === undefined ? '' : `${directoryUrl}: nothing was changed (--dry-run): ${WOULD[would]}\n`;
  }
  if (isDone && verb === 'deactivate') {
    return `${directoryUrl}: deactivated for ever; another account: ${where}\n`;
  }
  if (status === 'refused' || status === 'deactivated' || status === 'revoked') {
    return `${directoryUrl}: it orders nothing any more, and what it has ordered stays valid; another account: ${where}\n`;
  }
  return [
    isOtherKey &&
      `${directoryUrl}: the thumbprint has changed: with http-01-stateless, give every HAProxy the lines of pemfleet haproxy-config before the next order\n`,
    isOtherUrl &&
      `${directoryUrl}: the account has changed: acme.accountUri, CAA records with accounturi and records of dns-persist-01 have to name it before the next order: pemfleet caa and pemfleet dns-records print them\n`,
  ]
    .filter((line) => line !== false)
    .join('');
}

const WOULD: Readonly<Record<Verb | 'registration', string>> = {
  rollover: 'the account would get another key',
  contact: 'the CA would be told the contact of the configuration',
  new: 'another account would take its place',
  deactivate: 'the account would be deactivated for ever',
  registration: 'an account would be registered',
};
