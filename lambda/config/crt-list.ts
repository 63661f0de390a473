/** What pemfleet.yaml says of a certificate's line in a crt-list. A typo gets the nearest word. */
import * as z from 'zod';
import { nearest } from '#common/nearest.ts';
import {
  CRT_LIST_KEYWORDS,
  crtListOptionProblem,
  repeatedKeyword,
  sniFilterProblem,
} from '#contract/crt-list.ts';

export const listingSchema = z.strictObject({
  crtListOptions: z
    .array(checkedText(1000, optionProblem))
    .max(50)
    .superRefine((options, context) => complainOf(repeatedKeyword(options), context))
    .default([])
    .describe('Options of its crt-list line, each one keyword with its word, such as "alpn h2,http/1.1".'),
  sniFilters: z
    .array(checkedText(254, sniFilterProblem))
    .max(500)
    .default([])
    .describe("Names for which HAProxy serves it; default: the certificate's own. *.name, !name."),
});

/** @param problemOf says what is wrong with a text, `undefined`: nothing */
function checkedText(maxLength: number, problemOf: (text: string) => string | undefined) {
  return z
    .string()
    .max(maxLength)
    .superRefine((text, context) => complainOf(problemOf(text), context));
}

function complainOf(message: string | undefined, context: z.RefinementCtx): void {
  if (message !== undefined) context.addIssue({ code: 'custom', message });
}

function optionProblem(option: string): string | undefined {
  const problem = crtListOptionProblem(option);
  if (problem === undefined) return undefined;
  const [name = '', word = ''] = option.split(' ');
  const keyword = Object.hasOwn(CRT_LIST_KEYWORDS, name) ? CRT_LIST_KEYWORDS[name] : undefined;
  const [likely] =
    keyword === undefined
      ? nearest(name.toLowerCase().slice(0, 40), Object.keys(CRT_LIST_KEYWORDS), 1)
      : nearest(word.slice(0, 40), keyword.values ?? [], 1);
  return likely === undefined || likely === word ? problem : `${problem}; did you mean ${likely}?`;
}
