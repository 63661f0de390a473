/**
 * Reading a versioned JSON document. Unknown fields are kept (a newer writer may have put them there),
 * unknown versions are refused, and an error names the key and the path of the culprit, never the content.
 */
import * as z from 'zod';
import { ContractError, type ContractErrorCode } from './errors.ts';

export interface DocumentCodes {
  schema: ContractErrorCode;
  version: ContractErrorCode;
}

/** The only version this code writes and reads. */
export const VERSION = 1;

const versioned = z.looseObject({ version: z.number().int() });

export function parseDocument<T>(schema: z.ZodType<T>, codes: DocumentCodes, key: string, body: Buffer): T {
  const json = parseJson(codes, key, body);
  const head = versioned.safeParse(json);
  if (head.success && head.data.version !== VERSION) {
    const wanted = `wanted version ${VERSION}, saw ${head.data.version}; upgrade this program`;
    throw new ContractError(codes.version, key, wanted);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => `${pathOf(issue.path)}: ${issue.message}`);
  throw new ContractError(codes.schema, key, issues.slice(0, 5).join('; '));
}

/** The bytes of a document: two spaces, a final line feed, keys as the caller ordered them. */
export function serializeDocument(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** A member's name is content too: what looks neither like a field nor like a name of ours is not quoted. */
function pathOf(path: readonly PropertyKey[]): string {
  const isPlain = (name: string) => /^([A-Za-z0-9]{1,20}|[a-z0-9_./*-]{1,200})$/.test(name);
  return path.map((name) => (isPlain(String(name)) ? String(name) : '(bad name)')).join('.') || '(root)';
}

function parseJson(codes: DocumentCodes, key: string, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // The parser's own message quotes the text: it is not passed on.
    throw new ContractError(codes.schema, key, `is not JSON (${body.length} bytes)`);
  }
}
