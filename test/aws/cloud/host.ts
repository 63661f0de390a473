// An EC2 instance of the fleet: instance metadata with its role, the agent as the cloud-init text brings it, HAProxy with the lines of
// the construct, and SSM's agent. systemd is not here: a script of three lines answers for it.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { type Haproxy, startHaproxy } from '../../support/parts/haproxy.ts';
import { type Part, startPart } from '../../support/process.ts';
import { type Keep, startTogether } from '../../support/together.ts';
import type { Aws, Principal } from '../aws.ts';
import { type Imds, startImds } from '../imds.ts';

const run = promisify(execFile);
export const INSTANCE = 'i-0aaaaaaaaaaaaaaaa';

export interface HostOptions {
  aws: Aws;
  dir: string;
  /** a session of the instance's role */
  principal: Principal;
  tags: Record<string, string>;
  haproxyConfig: string;
  /** what the lines say of the world, and what stands for it on this machine */
  replacements: Readonly<Record<string, string>>;
  /** of HAProxy */
  haproxyDir: string;
  httpPort: number;
  httpsPort: number;
}

export interface FleetHost {
  haproxy: Haproxy;
  /** of programs that run there */
  env: Record<string, string>;
  /** Runs what the cloud-init text says, but for users and units. */
  firstBoot(userData: string): Promise<Part>;
  /** `pemfleet-agent …` */
  agent(args: string[]): Promise<{ stdout: string; code: number }>;
  stop(): Promise<void>;
}

export const startHost = (options: HostOptions): Promise<FleetHost> =>
  startTogether((keep) => startInstance(options, keep));

async function startInstance(options: HostOptions, keep: Keep): Promise<Omit<FleetHost, 'stop'>> {
  const { aws, dir, principal, tags, haproxyDir: workDir, httpPort, httpsPort } = options;
  const imds = await startImds({ instanceId: INSTANCE, region: aws.region, principal: () => principal });
  keep(imds.stop);
  const ports = { httpPort, httpsPort };
  const haproxy = await startHaproxy({ version: '3.2', configText: configOf(options), workDir, ...ports });
  keep(haproxy.stop);
  // Credentials come from the metadata, as on an instance.
  const env = { ...imds.env, AWS_ENDPOINT_URL: aws.endpoint, HOME: dir };
  const [bin, agentFile] = [join(dir, 'bin'), join(dir, 'agent.yaml')];
  mkdirSync(bin);
  const ssmEnv = { ...env, PATH: `${bin}:${process.env['PATH']}` };
  aws.ssm.host({ instanceId: INSTANCE, tags, cwd: dir, env: ssmEnv });
  registerElsewhere(options);
  let program = '';
  return {
    ...{ haproxy, env },
    firstBoot: async (userData) => {
      program = await install(userData, { aws, imds, dir, agentFile });
      const args = ['run', '--config', agentFile];
      // Up means that it has begun: what it does then is what tests look at.
      const part = await startPart({
        ...{ name: 'agent', command: program, args, env },
        probe: async () => true,
      });
      keep(part.stop);
      writeFileSync(join(bin, 'systemctl'), systemctl(part.pid), { mode: 0o755 });
      return part;
    },
    agent: (args) => runAgent(program, [...args, '--config', agentFile], env),
  };
}

/** A machine of the fleet that is not in EC2. All that happens there is that it is told. */
function registerElsewhere({ aws, dir, tags }: HostOptions): void {
  const bin = join(dir, 'elsewhere');
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemctl'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  aws.ssm.host({ instanceId: 'mi-0bbbbbbbbbbbbbbbb', tags, cwd: dir, env: { PATH: `${bin}:/usr/bin:/bin` } });
}

const systemctl = (pid: number) => `#!/bin/sh
case "$*" in
  'is-active --quiet pemfleet-agent.service') kill -0 ${pid} ;;
  'reload pemfleet-agent.service') kill -HUP ${pid} ;;
  *) exit 1 ;;
esac
`;

interface CloudConfig {
  write_files: { path: string; content: string }[];
}

/** What install-agent.sh does, but for users and units. @returns the program */
async function install(
  userData: string,
  { aws, imds, dir, agentFile }: { aws: Aws; imds: Imds; dir: string; agentFile: string },
): Promise<string> {
  const rendered = userData.replaceAll('{{ v1.instance_id }}', INSTANCE);
  const { write_files: files } = parse(rendered) as CloudConfig;
  const contentOf = (path: string) => files.find((file) => file.path === path)?.content ?? '';
  writeFileSync(agentFile, contentOf('/etc/pemfleet/agent.yaml'));
  const script = join(dir, 'fetch-agent.py');
  writeFileSync(script, contentOf('/usr/lib/pemfleet/fetch-agent.py'));
  const unit = contentOf('/etc/systemd/system/pemfleet-install.service');
  const [, bucketUrl = '', region = ''] = /install-agent\.sh (\S+) (\S+)$/m.exec(unit) ?? [];
  const release = join(dir, 'release');
  const tarball = join(dir, 'agent.tar.gz');
  const env = { ...process.env, ...imds.env, AWS_ENDPOINT_URL: aws.endpoint };
  await run('python3', [script, bucketUrl, region, 'current', tarball], { env });
  await run('python3', ['-m', 'tarfile', '-e', tarball, release]);
  const [name = ''] = readdirSync(release);
  return join(release, name, 'pemfleet-agent');
}

/** The lines of the construct in a configuration around them. */
function configOf({ haproxyConfig, replacements }: HostOptions): string {
  const [https = '', frontend = '', sections = ''] = haproxyConfig.split(/\n# Part [12],.*\n/);
  const text = `global
    stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend https
${https}
${frontend}
    http-request return status 200 content-type text/plain lf-string "%[ssl_f_serial,hex]"
frontend http
    bind "\${PEMFLEET_HTTP_BIND}"
${frontend}
${sections}`;
  return Object.entries(replacements).reduce((changed, [from, to]) => {
    if (changed.split(from).length !== 2) {
      throw new TypeError(`the lines for HAProxy do not hold ${from} once`);
    }
    return changed.replace(from, to);
  }, text);
}

function runAgent(
  program: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ stdout: string; code: number }> {
  return new Promise((resolve) => {
    execFile(program, args, { env: { ...process.env, ...env } }, (error, stdout) =>
      resolve({ stdout, code: typeof error?.code === 'number' ? error.code : 0 }),
    );
  });
}
