// One resource record set: read from XML, its values checked by the rules of its type.
import { isIPv4, isIPv6 } from 'node:net';
import { AwsFailure } from '../wire.ts';
import { normalizeName } from './names.ts';

export interface RecordSet {
  /** normalized */
  name: string;
  type: string;
  ttl: number;
  values: readonly string[];
}

export interface XmlRecordSet {
  Name?: string;
  Type?: string;
  TTL?: string;
  SetIdentifier?: string;
  AliasTarget?: object;
  ResourceRecords?: { ResourceRecord?: { Value?: string }[] };
}

const types = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NS', 'SOA', 'SRV', 'TXT'];

/** @param action for the message */
export function readRecordSet(xml: XmlRecordSet, action: string): RecordSet {
  const { Name: name = '', Type: type = '', TTL: ttl, ResourceRecords, SetIdentifier, AliasTarget } = xml;
  const invalid = (what: string) =>
    new AwsFailure(
      400,
      'InvalidInput',
      `Invalid request: ${what} in Change with [Action=${action}, Name=${name}, Type=${type}, SetIdentifier=null]`,
    );
  if (SetIdentifier !== undefined || AliasTarget !== undefined) {
    throw new AwsFailure(501, 'NotImplemented', 'the stand-in knows simple record sets only');
  }
  const values = (ResourceRecords?.ResourceRecord ?? []).map(({ Value = '' }) => Value);
  if (ttl === undefined && values.length === 0) {
    throw invalid('Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]], but found none');
  }
  if (ttl === undefined) throw invalid("Missing field 'TTL'");
  if (values.length === 0) throw invalid("Missing field 'ResourceRecords'");
  if (!/^\d+$/.test(ttl) || Number(ttl) > 2 ** 31 - 1) throw invalid(`Invalid TTL '${ttl}'`);
  if (!types.includes(type)) throw invalid(`Invalid type '${type}'`);
  return { name: normalizeName(name), type, ttl: Number(ttl), values };
}

/** @returns what is wrong with its values, in Route 53's words */
export function faultsOf({ type, values }: RecordSet): string[] {
  const fatal = (value: string, code: string, what: string) =>
    `Invalid Resource Record: 'FATAL problem: ${code} (${what}) encountered with '${value}''`;
  const twice = values.filter((value, index) => values.indexOf(value) !== index);
  const found = [...new Set(twice)].map((value) => `Duplicate Resource Record: '${value}'`);
  if (type === 'CNAME' && values.length > 1) found.push('CNAME record sets have one value');
  for (const value of values) {
    const fault = valueFault(type, value);
    if (fault) found.push(fatal(value, ...fault));
  }
  return found;
}

function valueFault(type: string, value: string): readonly [code: string, what: string] | undefined {
  if (type === 'A' && !isIPv4(value)) {
    return ['ARRDATAIllegalIPv4Address', 'Value is not a valid IPv4 address'];
  }
  if (type === 'AAAA' && !isIPv6(value)) {
    return ['AAAARRDATAIllegalIPv6Address', 'Value is not a valid IPv6 address'];
  }
  if (type !== 'TXT') return undefined;
  const strings = textStrings(value);
  if (!strings) return ['InvalidCharacterString', 'Value should be enclosed in quotation marks'];
  if (value.length > 4000) return ['TXTRDATATooLong', 'TXT RDATA is too long'];
  if (strings.some((string) => string.length > 255)) return ['CharacterStringTooLong', 'Value is too long'];
  return undefined;
}

/** The character strings of a TXT value, `"a" "b"`; undefined if it is no such list. */
export function textStrings(value: string): Buffer[] | undefined {
  const form = /^\s*"(?:[^"\\]|\\.)*"(?:\s+"(?:[^"\\]|\\.)*")*\s*$/s;
  if (!form.test(value)) return undefined;
  return [...value.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, text = '']) =>
    Buffer.from(
      text.replace(/\\([0-7]{3}|.)/gs, (_, escaped: string) =>
        escaped.length === 3 ? String.fromCharCode(Number.parseInt(escaped, 8)) : escaped,
      ),
      'latin1',
    ),
  );
}
