/**
 * Versioned JSON documents. A reader keeps fields that it does not know (a newer writer may have put them there)
 * and refuses versions that it does not know; its errors name the key and the path of the culprit, never the content.
 */
import * as z from 'zod';
import { ContractError, type ContractErrorCode, type IssuerRecordErrorCode } from './errors.ts';
import { type JsonBounds, type JsonRefused, parseJson } from './json.ts';

export interface DocumentCodes {
  /** Code for a body that is not JSON, or not of the schema. */
  schema: ContractErrorCode | IssuerRecordErrorCode;
  /** Code for a version that this code does not know. */
  version: ContractErrorCode | IssuerRecordErrorCode;
  /** The version that is wanted; default: 1. */
  wanted?: number;
  /** Where they differ from those of a document in the bucket. */
  bounds?: Partial<JsonBounds> | undefined;
}

/** A time as RFC 3339 text in UTC. */
export const dateTime = z.iso.datetime();

/** Of most documents; the root of a signed manifest has version 2. */
export const VERSION = 1;

const versioned = z.looseObject({ version: z.number().int() });

/** @param key of the object, for messages. @throws ContractError with one of `codes` */
export function parseDocument<T>(schema: z.ZodType<T>, codes: DocumentCodes, key: string, body: Buffer): T {
  return checkDocument(schema, codes, key, readJson(codes, key, body));
}

/** @param json what the document's text says. @throws ContractError with one of `codes` */
export function checkDocument<T>(schema: z.ZodType<T>, codes: DocumentCodes, key: string, json: unknown): T {
  const head = versioned.safeParse(json);
  const { wanted: version = VERSION } = codes;
  if (head.success && head.data.version !== version) {
    const wanted = `wanted version ${version}, saw ${head.data.version}; upgrade this program`;
    throw new ContractError(codes.version, key, wanted);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 5).map((issue) => `${pathOf(issue.path)}: ${issue.message}`);
  throw new ContractError(codes.schema, key, issues.join('; '));
}

/** The bytes of a document: indented by two spaces, keys in the caller's order, one line feed at the end. */
export function serializeDocument(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Equal content gives equal bytes: members in the order of their names. */
export function sortedByName<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A member's name is content too: the path quotes it only if it looks like a field or a name of ours. */
function pathOf(path: readonly PropertyKey[]): string {
  const isPlain = (name: string) => /^([A-Za-z0-9]{1,20}|[a-z0-9_./*-]{1,200})$/.test(name);
  return path.map((name) => (isPlain(String(name)) ? String(name) : '(bad name)')).join('.') || '(root)';
}

function readJson(codes: DocumentCodes, key: string, body: Buffer): unknown {
  try {
    return parseJson(body, codes.bounds);
  } catch (error) {
    throw new ContractError(codes.schema, key, (error as JsonRefused).message);
  }
}
