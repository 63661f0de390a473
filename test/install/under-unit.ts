// The restrictions of the agent's unit, as systemd really sets them: read off the running service, and tried by commands that run
// in a unit with the same lines.
import type { Machine } from '../support/parts/machine.ts';

/** What must not succeed as the agent, and how it is refused. */
export const FORBIDDEN: readonly [script: string, refusal: RegExp][] = [
  ['touch /usr/bin/x', /Read-only file system/],
  ['touch /etc/haproxy/x', /Read-only file system/],
  ['echo 1 > /etc/pemfleet/agent.yaml', /Read-only file system/],
  ['echo 1 > /proc/sys/kernel/domainname', /Read-only file system|Permission denied/],
  ['cat /etc/shadow', /Permission denied/],
  ['ls /root', /Permission denied/],
  ['ls /proc/1/', /No such file or directory/],
  ['unshare --user true', /Operation not permitted/],
  [python('import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'), /Address family not supported/],
  [
    python('import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'),
    /Address family not supported/,
  ],
  [python('import os; os.chroot(chr(47))'), /Operation not permitted/],
  [python('import os; os.setuid(0)'), /Operation not permitted/],
  [
    python(
      'import os; f = os.environ[chr(72)] + chr(47) + chr(120); open(f, chr(119)).close(); os.chmod(f, 0o4755)',
    ),
    /Operation not permitted/,
  ],
];

function python(code: string): string {
  return `HOME=/var/lib/pemfleet-agent H=/var/lib/pemfleet-agent python3 -c '${code}'`;
}

export interface Tried {
  status: number;
  output: string;
}

/** Runs it once in a unit that differs from the agent's in what it starts. */
export async function underUnit(machine: Machine, command: string): Promise<Tried> {
  const unit = 'pemfleet-try.service';
  const lines = (await machine.exec('cat', '/usr/lib/systemd/system/pemfleet-agent.service'))
    .split('\n')
    .filter((line) => !/^(Exec|Type|Restart|Watchdog|NotifyAccess|Timeout)/.test(line))
    .map((line) =>
      line === '[Service]'
        ? `[Service]\nType=oneshot\nExecStart=${command}\nStandardOutput=truncate:/run/try\nStandardError=inherit`
        : line,
    );
  const drop = '/etc/systemd/system/pemfleet-agent.service.d';
  const script = `cat > /run/systemd/system/${unit}; ln -sfn ${drop} /run/systemd/system/${unit}.d
systemctl daemon-reload; systemctl reset-failed ${unit} 2>/dev/null; systemctl start ${unit} 2>/dev/null
systemctl show --value -p ExecMainStatus ${unit}; cat /run/try`;
  const text = lines.join('\n').replaceAll("'", "'\\''");
  const said = await machine.exec('sh', '-c', `printf '%s' '${text}' | { ${script}\n}`);
  const [status = '', ...output] = said.split('\n');
  return { status: Number(status), output: output.join('\n') };
}

/** What the kernel knows of a process of the machine. */
export async function restrictionsOf(machine: Machine, pid: string) {
  const status = await machine.exec('cat', `/proc/${pid}/status`);
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  const ids = field('Groups').trim().split(' ');
  const mounts = (await machine.exec('cat', `/proc/${pid}/mountinfo`)).trim().split('\n');
  return {
    user: (await machine.exec('id', '-nu', field('Uid').split('\t')[0] ?? '')).trim(),
    groups: (await Promise.all(ids.map((id) => machine.exec('getent', 'group', id))))
      .map((line) => line.split(':')[0])
      .sort(),
    capabilities: ['CapEff', 'CapPrm', 'CapBnd'].map(field),
    noNewPrivileges: field('NoNewPrivs'),
    seccomp: field('Seccomp'),
    writable: mounts.map(writableOnDisk).filter(Boolean).sort(),
  };
}

/** proc(5): the mount point, if it can be written to and is none of the kernel's own or a temporary one. */
function writableOnDisk(line: string): string {
  const [, , , , place = '', options = ''] = line.split(' ');
  const type = line.split(' - ')[1]?.split(' ')[0] ?? '';
  return options.startsWith('rw') &&
    /^(ext|xfs|btrfs|overlay)/.test(type) &&
    !/^\/(run|tmp|var\/tmp)/.test(place)
    ? place
    : '';
}
