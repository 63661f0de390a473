/** What a program gets of a notice, in its environment. Of several changes, names stand in lists; the rest is of the first. Pure. */
import { PROGRAM_PATH } from '#common/program/path.ts';
import type { Notice } from '../../notice.ts';
import type { NoticeText } from '../../text.ts';

export function factsEnvironment(notice: Notice, { subject }: NoticeText): Record<string, string> {
  const { id, kind, at, count, bucket, changes } = notice;
  const [first] = changes;
  const names = [...new Set(changes.flatMap(({ certificate }) => certificate ?? []))];
  const facts: Record<string, string | number | undefined> = {
    ID: id,
    KIND: kind,
    AT: at,
    COUNT: count,
    BUCKET: bucket,
    SUBJECT: subject,
    CERTIFICATE: first?.certificate,
    CERTIFICATES: names.join(' '),
    FLEETS: first?.fleets?.join(' '),
    HOST: first?.host,
    ACTION: first?.action,
    CODE: first?.code,
    SERIAL: first?.serial,
    NOT_AFTER: first?.notAfter,
  };
  const named = Object.entries(facts).flatMap(([name, value]) =>
    // No value of ours has one; the kernel would refuse it.
    value === undefined ? [] : [[`PEMFLEET_${name}`, String(value).replaceAll('\0', '')]],
  );
  return { PATH: PROGRAM_PATH, LANG: 'C.UTF-8', ...Object.fromEntries(named) };
}
