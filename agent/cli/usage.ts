/** `--help` by example. */
import { agentConfigSchema, DEFAULT_CONFIG_FILE, OPTIONS } from '../config/config.ts';

export const USAGE = `pemfleet-agent keeps HAProxy's certificates as the bucket's manifest wants them, without a reload.

  pemfleet-agent sync                    one pass: poll, install, load, prove, report
  pemfleet-agent sync --dry-run          show what a pass would do, and change nothing
  pemfleet-agent sync --json             one pass, its result as one JSON object on standard output
  pemfleet-agent sync --retry            one pass that also tries again what has failed lately
  pemfleet-agent sync --wait=120         before HAProxy starts: passes until the first certificates are on disk; what
                                         is there already is enough when the bucket is out of reach
  pemfleet-agent run                     a pass now and whenever there is news; SIGHUP polls now, SIGTERM stops
  pemfleet-agent status [--json]         what the last pass found
  pemfleet-agent leave                   this host is taken away: it shall not be missed (a shutdown says so by itself)
  pemfleet-agent doctor [--json]         looks at all that an installation needs and names the fix of what is wrong;
                                         --haproxy-config FILE where HAProxy cannot say which file it reads
  pemfleet-agent version

  pemfleet-agent sync --bucket file:///var/lib/pemfleet/bucket --fleet default \\
    --stats-socket /run/haproxy/admin.sock --certs-dir /etc/haproxy/certs --handshake 127.0.0.1:443

Settings: flag, else environment, else --config FILE (${DEFAULT_CONFIG_FILE}), else default.
${settings()}

Exit status: 0 all served, or nothing to do; 1 failure; 3 partly failed, or not served yet;
64 wrong usage; 78 wrong configuration. doctor: 0 nothing to mend (notes at most), 1 errors, 3 warnings only.
`;

function settings(): string {
  return Object.entries(OPTIONS)
    .map(([flag, path]) => {
      const env = `PEMFLEET_AGENT_${flag.toUpperCase().replaceAll('-', '_')}`;
      return `  --${flag.padEnd(14)} ${path.join('.').padEnd(20)} ${env.padEnd(29)} ${describe(path)}`;
    })
    .join('\n');
}

function describe(path: readonly string[]): string {
  const schemas: Record<string, { description?: string | undefined }> = {
    ...agentConfigSchema.shape,
    ...prefixed('haproxy', agentConfigSchema.shape.haproxy.unwrap().shape),
    ...prefixed('pem', agentConfigSchema.shape.pem.unwrap().shape),
    ...prefixed('metrics', agentConfigSchema.shape.metrics.unwrap().shape),
  };
  return schemas[path.join('.')]?.description ?? '';
}

function prefixed<T>(prefix: string, shape: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(shape).map(([key, schema]) => [`${prefix}.${key}`, schema]));
}
