/** Drop-ins of systemd that let pemfleet work beside a haproxy.cfg that stays as it is. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AdoptionPlan } from '../../adopt/plan/adoption-plan.ts';
import type { SocketRight } from '../../adopt/plan/socket-right.ts';
import { type FileChange, readState } from '../../init/apply/file-change.ts';
import type { DropInChanges } from '../../init/drop-ins.ts';

/** What the units run with. */
export const UNITS_CONFIG = '/etc/pemfleet/pemfleet.yaml';
const DIRECTORY = '/etc/systemd/system';
const USUAL_LISTEN = '127.0.0.1:8402';

export interface DropInRequest {
  plan: Pick<AdoptionPlan, 'listen'>;
  right: SocketRight;
  /** HAProxy's. */
  unit: string | undefined;
}

/** Where there is no systemd there are no units. */
export async function adoptDropIns(
  configFile: string,
  { plan: { listen }, right, unit = 'haproxy.service' }: DropInRequest,
): Promise<DropInChanges> {
  if (configFile !== UNITS_CONFIG || !existsSync(DIRECTORY)) return { files: [], directories: [] };
  const wanted = [
    ...(listen === undefined || listen === USUAL_LISTEN ? [] : [responderDropIn(listen)]),
    ...(right.group === undefined ? [] : [socketDropIn(unit, right.path, right.group)]),
  ];
  const files: FileChange[] = [];
  for (const { path, text } of wanted) {
    const body = Buffer.from(text);
    if (!(await readState(path))?.body.equals(body)) files.push({ path, body, mode: 0o644, uid: 0, gid: 0 });
  }
  const directories = files.map(({ path }) => ({ path: dirname(path), mode: 0o755, uid: 0, gid: 0 }));
  return { files, directories };
}

const responderDropIn = (listen: string) => ({
  path: `${DIRECTORY}/pemfleet-responder.service.d/pemfleet-listen.conf`,
  text: `# HAProxy sends challenges here, where the former ACME client listened. Written by "pemfleet adopt".
[Service]
ExecStart=
ExecStart=/usr/bin/pemfleet respond --config ${UNITS_CONFIG} --listen ${listen}
`,
});

const socketDropIn = (unit: string, path: string, group: string) => ({
  path: `${DIRECTORY}/${unit}.d/pemfleet-socket.conf`,
  text: `# pemfleet-agent loads certificates through HAProxy's stats socket; haproxy.cfg stays as it is. Written by "pemfleet adopt".
[Service]
ExecStartPost=-/bin/chgrp ${group} ${path}
ExecStartPost=-/bin/chmod g+rw ${path}
`,
});
