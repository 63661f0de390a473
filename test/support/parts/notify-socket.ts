// The other end of sd_notify(3). Node has no datagram sockets of the Unix kind; perl-base is on every Debian.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { until } from '../process.ts';
import { makeTempDir } from '../temp-dir.ts';

export interface NotifySocket {
  path: string;
  /** Messages so far, without systemd-notify's own barrier. */
  messages(): string[];
  stop(): void;
}

const RECEIVE = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($s, sockaddr_un($ARGV[0])) or die $!;
print "ready\\0";
while (defined recv($s, my $m, 65536, 0)) { print "$m\\0" }`;

export async function startNotifySocket(): Promise<NotifySocket> {
  const dir = makeTempDir();
  const path = join(dir.path, 'notify.sock');
  const child = spawn('perl', ['-e', RECEIVE, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  child.on('error', (error) => {
    complaint += error.message;
  });
  await until(
    async () => said.startsWith('ready'),
    () => complaint || undefined,
    5000,
  );
  return {
    path,
    messages: () =>
      said
        .split('\0')
        .slice(1, -1)
        .filter((message) => !message.startsWith('BARRIER')),
    stop: () => {
      child.kill('SIGKILL');
      dir.remove();
    },
  };
}
