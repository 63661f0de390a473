/**
 * Long lists and records of a document. Zod checks all elements and keeps all of their faults: of a hundred thousand `{}` they take more
 * memory than a machine has. These stop at the first few.
 */
import * as z from 'zod';

/** Faults that a message can hold. */
const MAX_ISSUES = 5;

/** @param max elements */
export function listOf<T extends z.ZodType>(element: T, max: number) {
  return z
    .array(z.unknown())
    .max(max)
    .transform((items, context): z.output<T>[] => {
      const check = checker(context);
      return items.flatMap((item, index) => check(element, item, index)) as z.output<T>[];
    });
}

/** @param max members */
export function recordOf<K extends z.ZodType<string>, T extends z.ZodType>(key: K, element: T, max: number) {
  return z
    .record(z.string(), z.unknown())
    .refine((record) => Object.keys(record).length <= max, `wanted at most ${max} members`)
    .transform((record, context): Record<z.output<K>, z.output<T>> => {
      const check = checker(context);
      const entries = Object.entries(record).flatMap(([name, item]) => {
        const isKey = check(key, name, name).length > 0;
        return isKey ? check(element, item, name).map((value) => [name, value] as const) : [];
      });
      return Object.fromEntries(entries) as Record<z.output<K>, z.output<T>>;
    });
}

/** @returns one value, or none for what is faulty, and for all that comes after too many faults */
function checker(context: z.RefinementCtx) {
  let issues = 0;
  return (schema: z.ZodType, value: unknown, at: PropertyKey): unknown[] => {
    if (issues >= MAX_ISSUES) return [];
    const result = schema.safeParse(value);
    if (result.success) return [result.data];
    for (const issue of result.error.issues.slice(0, MAX_ISSUES - issues)) {
      issues += 1;
      context.addIssue({ code: 'custom', message: issue.message, path: [at, ...issue.path] });
    }
    return [];
  };
}
