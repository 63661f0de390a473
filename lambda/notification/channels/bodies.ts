/** The body of a webhook: our own document, Slack's, or the operator's template. Pure. */
import { escapedJson } from '#common/printable.ts';
import { fillTemplate, type TemplateField } from '../../config/notify/template.ts';
import type { Notice } from '../notice.ts';
import type { NoticeText } from '../text.ts';
import { alertsOf } from './alertmanager.ts';

/** Slack API, "chat.postMessage": longer texts are cut. */
const MAX_SLACK = 35_000;

/** @returns undefined: this notice has nothing for such a receiver */
export function bodyOf(template: string, notice: Notice, text: NoticeText): string | undefined {
  if (template === 'json') return escapedJson({ version: 1, ...notice, ...text });
  if (template === 'slack') return escapedJson({ text: slackText(text) });
  if (template === 'alertmanager') {
    const alerts = alertsOf(notice, text);
    return alerts.length === 0 ? undefined : escapedJson(alerts);
  }
  return fillTemplate(template, (field) => fieldText(field, notice, text));
}

/** Slack API, "Formatting text": these three are escaped, and nothing else acts. */
function slackText({ subject, text }: NoticeText): string {
  const escaped = [subject, text].map((part) =>
    part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  );
  return `*${escaped[0]}*\n${escaped[1]}`.slice(0, MAX_SLACK);
}

/** Of the first change, where a notice has several. */
function fieldText(field: TemplateField, notice: Notice, { subject, text }: NoticeText): string {
  const { id, kind, at, count, bucket, changes: [first] = [] } = notice;
  const values: Record<TemplateField, string | number | undefined> = {
    ...{ id, kind, at, count, bucket, subject, text },
    certificate: first?.certificate,
    fleet: first?.fleets?.[0],
    host: first?.host,
    code: first?.code,
    serial: first?.serial,
    notAfter: first?.notAfter,
  };
  return String(values[field] ?? '');
}
