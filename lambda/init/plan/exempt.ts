/** A rule of HAProxy's configuration that is to spare what an ACL matches. */
import { type HaproxyEnvironment, wordSpans } from '#common/haproxy/config-lines.ts';

/**
 * `redirect scheme https if !{ ssl_fc }` → `… if !{ ssl_fc } !ACL`. `||` and `or` bind weaker than what stands side by side: each part gets
 * the exception.
 */
export function exemptLine(line: string, acl: string, env: HaproxyEnvironment): string {
  const spans = wordSpans(line, env);
  const condition = spans.findIndex(({ word }) => word === 'if' || word === 'unless');
  const end = spans.at(-1)?.end ?? line.length;
  const [head, tail] = [line.slice(0, end), line.slice(end)];
  if (condition < 0) return `${head} unless ${acl}${tail}`;
  if (spans[condition]?.word === 'unless') return `${head} or ${acl}${tail}`;
  let depth = 0;
  let exempt = '';
  let from = 0;
  for (const { word, start } of spans.slice(condition + 1)) {
    if (word === '{' || word === '!{') depth += 1;
    if (word === '}') depth -= 1;
    if (depth > 0 || !['or', '||'].includes(word)) continue;
    exempt += `${line.slice(from, start)}!${acl} `;
    from = start;
  }
  return `${exempt}${line.slice(from, end)} !${acl}${tail}`;
}
