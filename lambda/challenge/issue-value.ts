/** The `issue-value` of RFC 8659 §4.2, which CAA records and the records of dns-persist-01 share; pure. */

export interface IssueValue {
  /** The CA, in lower case and without a dot at its end; empty: no CA at all. */
  readonly issuer: string;
  /** Tags in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** RFC 8659 §4.2: what a value may hold. */
const VALUE = /^[\x21-\x3a\x3c-\x7e]*$/;
const TAG = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const ISSUER = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
/** Of a text, in characters; a TXT record of a CA has some 300. */
const LONGEST = 4096;

/** @returns undefined for a text that is none: a CA takes it for a prohibition, not for a permission */
export function parseIssueValue(text: string): IssueValue | undefined {
  if (text.length > LONGEST) return undefined;
  const [first = '', ...rest] = text.split(';').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''));
  const issuer = first.toLowerCase().replace(/\.$/, '');
  if (issuer !== '' && !ISSUER.test(issuer)) return undefined;
  const parameters = new Map<string, string>();
  // `;` after the issuer may stand alone; one at the end of parameters may not, and CAs refuse it.
  const isBare = rest.length === 1 && rest[0] === '';
  for (const part of isBare ? [] : rest) {
    const [, tag = '', value = ''] = /^([^=]*?)[ \t]*=[ \t]*(.*)$/.exec(part) ?? [];
    const name = tag.toLowerCase();
    if (!TAG.test(name) || !VALUE.test(value) || parameters.has(name)) return undefined;
    parameters.set(name, value);
  }
  return { issuer, parameters };
}

/** As it is written in a record. */
export function issueValueText(issuer: string, parameters: readonly (readonly [string, string])[]): string {
  return [issuer, ...parameters.map(([tag, value]) => `${tag}=${value}`)].join('; ');
}
