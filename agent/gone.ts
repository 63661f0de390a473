/** What to do with a file of ours whose certificate has left the manifest. */
import type { Action } from './desired/action.ts';
import type { RuntimeFile } from './haproxy/view.ts';
import type { PlanInput } from './plan.ts';

export function decideGone(file: string, { disk, records, haproxy }: PlanInput): Action {
  const record = records[file];
  const seen = disk.get(file)?.sha256;
  const isOurs = seen === undefined || record?.written.includes(seen);
  const subject = { file, certificate: record?.certificate ?? '' };
  const gone = 'no longer in the manifest';
  if (isOurs && haproxy === undefined)
    return { ...subject, kind: 'pending', reason: `${gone}; HAProxy is out of reach: it may name the file` };
  const isNamed = ({ crtList, certificate }: RuntimeFile) => !crtList && certificate?.status === 'Used';
  if (isOurs && haproxy?.files.get(file)?.some(isNamed)) {
    const reason = `${gone}, but HAProxy's configuration names the file (crt FILE): take it out there, then reload`;
    return { ...subject, kind: 'needs-reload', reason, code: 'ERR_RUNTIME_CRT_LIST' };
  }
  if (isOurs) return { ...subject, kind: 'remove', reason: gone };
  return { ...subject, kind: 'forget', reason: `${gone}, and changed by somebody else` };
}
