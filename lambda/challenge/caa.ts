/** Whether CAA records let a CA issue to us (RFC 8659 §4, RFC 8657), and the records that do; pure. */
import { printable } from '#common/printable.ts';
import { type IssueValue, issueValueText, parseIssueValue } from './issue-value.ts';

export interface CaaRecord {
  /** The issuer critical flag: a CA that does not know the tag must not issue. */
  readonly isCritical: boolean;
  /** In lower case. */
  readonly tag: string;
  readonly value: string;
}

/** An order of one name at one CA. */
export interface CaaRequest {
  /** DNS name; a wildcard asks for `issuewild`. */
  readonly identifier: string;
  /** Domain names that stand for the CA. */
  readonly issuers: readonly string[];
  /** Of our account there; undefined: there is none yet. */
  readonly accountUri: string | undefined;
  /** Nobody can say now which account is ours there: a record that names one forbids nothing. */
  readonly isAccountUnknown?: boolean | undefined;
  /** ACME challenge type, such as `http-01`. */
  readonly method: string;
}

/** Tags that CAs know, so that their critical flag stops nobody. */
const KNOWN_TAGS: ReadonlySet<string> = new Set([
  ...['issue', 'issuewild', 'iodef', 'issuemail', 'issuevmc', 'contactemail', 'contactphone'],
]);
/** Of a foreign value, in a message. */
const SHOWN = 200;

/**
 * @param records that apply to the name: those of the nearest name upwards that has any
 * @returns why the CA may not issue; undefined: it may
 */
export function caaProblem(records: readonly CaaRecord[], request: CaaRequest): string | undefined {
  const strange = records.find(({ isCritical, tag }) => isCritical && !KNOWN_TAGS.has(tag));
  if (strange !== undefined) {
    return `a critical property ${printable(strange.tag.slice(0, SHOWN))} that no CA knows forbids every CA`;
  }
  const issue = records.filter(({ tag }) => tag === 'issue');
  const wild = records.filter(({ tag }) => tag === 'issuewild');
  const own = request.identifier.startsWith('*.') && wild.length > 0 ? wild : issue;
  if (own.length === 0) return undefined;
  const problems = own.map(({ value }) => problemOfValue(value, request));
  if (problems.includes(undefined)) return undefined;
  const seen = own.map(({ tag, value }) => `${tag} "${printable(value.slice(0, SHOWN))}"`).join(', ');
  return `${problems.find((problem) => problem !== OTHER_CA) ?? OTHER_CA}; it has ${seen}`;
}

const OTHER_CA = 'CAA names other CAs only';

function problemOfValue(text: string, request: CaaRequest): string | undefined {
  const { issuers, accountUri, isAccountUnknown = false, method } = request;
  const value: IssueValue | undefined = parseIssueValue(text);
  if (value === undefined || !issuers.includes(value.issuer)) return OTHER_CA;
  const uri = value.parameters.get('accounturi');
  if (uri !== undefined && uri !== accountUri && !isAccountUnknown) {
    return `CAA names another account than ours (${accountUri ?? 'which is not registered yet'})`;
  }
  const methods = value.parameters.get('validationmethods');
  if (methods === undefined || methods.split(',').includes(method)) return undefined;
  return `CAA does not allow ${method} (validationmethods)`;
}

/** What to publish, so that this CA, this account and these methods alone may issue. */
export function caaValue(issuer: string, accountUri: string | undefined, methods: readonly string[]): string {
  return issueValueText(issuer, [
    ...(accountUri === undefined ? [] : [['accounturi', accountUri] as const]),
    ...(methods.length === 0 ? [] : [['validationmethods', methods.join(',')] as const]),
  ]);
}
