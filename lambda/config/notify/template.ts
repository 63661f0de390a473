/**
 * A webhook's body as an operator writes it: JSON with `{{text}}` and the like inside its strings. What stands in for a placeholder is
 * escaped, so no value can break the document; a template that is no JSON with every value is refused when the configuration is read. Pure.
 */
import { escapedJson } from '#common/printable.ts';

/** What a template can name; docs/notifications.md lists them. */
export const TEMPLATE_FIELDS = [
  'id',
  'kind',
  'at',
  'subject',
  'text',
  'count',
  'bucket',
  'certificate',
  'fleet',
  'host',
  'code',
  'serial',
  'notAfter',
] as const;

export type TemplateField = (typeof TEMPLATE_FIELDS)[number];

const PLACEHOLDER = /\{\{\s*([A-Za-z0-9_.-]*)\s*\}\}/g;
/** Each of them would end a string, or act in it. */
const NASTY = '"\\\n\u2028</script>{{text}}';

/** @returns undefined: it is JSON, whatever the values are */
export function templateProblem(template: string): string | undefined {
  const names = [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
  const unknown = names.find((name) => !TEMPLATE_FIELDS.some((field) => field === name));
  if (unknown !== undefined) {
    return `wanted one of ${TEMPLATE_FIELDS.join(', ')} in {{…}}, saw ${unknown}`;
  }
  if (isJson(fillTemplate(template, () => NASTY)) && isJson(fillTemplate(template, () => ''))) {
    return undefined;
  }
  return 'wanted json, slack, alertmanager, or JSON with {{text}} and the like inside its strings';
}

/** @param textOf each placeholder; it is escaped as inside a string of JSON */
export function fillTemplate(template: string, textOf: (field: TemplateField) => string): string {
  return template.replaceAll(PLACEHOLDER, (_, field: TemplateField) =>
    escapedJson(textOf(field)).slice(1, -1),
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
