/** The text of `--help`: examples first, then every setting with its flag and variable. */
import { DEFAULT_CONFIG_FILE, FLAGS, variableOf } from '../config/config.ts';
import { agentConfigSchema } from '../config/schema.ts';

export const USAGE = `pemfleet-agent keeps HAProxy's certificates in step with the bucket's manifest, without a reload.

  pemfleet-agent sync                    one pass: poll, install, load, prove, report
  pemfleet-agent sync --dry-run          show what a pass would do; change nothing
  pemfleet-agent sync --json             one pass; print its result as one JSON object
  pemfleet-agent sync --retry            one pass that also retries certificates that failed recently
  pemfleet-agent sync --wait=120         before HAProxy starts: repeat passes until the first certificates are on disk, for
                                         120 s at most; if the bucket is out of reach, those already on disk are enough
  pemfleet-agent run                     stay resident: a pass now and after each change; SIGHUP polls now, SIGTERM stops
  pemfleet-agent status [--json]         show what the last pass found
  pemfleet-agent adopt FILE...           give files of HAProxy's directory that another program has put there to the agent: the
                                         next pass overwrites them; --dry-run says what they hold, --json prints one object
  pemfleet-agent trust [--json]          show whose manifests this host takes; --confirm KEY: the key that it has is the issuer's
                                         ("pemfleet key show"); --accept KEY: from now on it takes the manifests of that one
  pemfleet-agent leave                   announce that this host is being removed, so that it raises no HostsSilent alarm;
                                         a clean shutdown does it for you
  pemfleet-agent doctor [--json]         check everything that an installation needs, and say how to fix what is wrong;
                                         --haproxy-config FILE if HAProxy cannot say which file it reads; --fix, as root: mend what
                                         can be mended safely, and name each change; --dry-run with it: only name them
  pemfleet-agent schema                  print the JSON schema of agent.yaml, for editors
  pemfleet-agent version                 show the version; --version and -V do the same

  pemfleet-agent sync --bucket file:///var/lib/pemfleet/bucket --fleet default \\
    --stats-socket /run/haproxy/admin.sock --certs-dir /etc/haproxy/certs --handshake 127.0.0.1:443

Each setting comes from its flag, else the environment, else --config FILE (${DEFAULT_CONFIG_FILE}), else its default.
${settings()}

Exit status: 0 all served, or nothing to do; 1 failure; 3 partly failed, or not served yet;
64 wrong usage; 77 another user must type it; 78 wrong configuration. doctor: 0 no problems found (notes at most), 1 errors, 3 warnings only.
`;

function settings(): string {
  return Object.entries(FLAGS)
    .map(([flag, path]) => {
      const key = path.join('.');
      return `  --${flag.padEnd(16)} ${key.padEnd(20)} ${variableOf(flag).padEnd(31)} ${descriptionOf(key)}`;
    })
    .join('\n');
}

function descriptionOf(key: string): string {
  const schemas: Record<string, { description?: string | undefined }> = {
    ...agentConfigSchema.shape,
    ...prefixed('haproxy', agentConfigSchema.shape.haproxy.unwrap().shape),
    ...prefixed('pem', agentConfigSchema.shape.pem.unwrap().shape),
    ...prefixed('trust', agentConfigSchema.shape.trust.unwrap().shape),
    ...prefixed('watch', agentConfigSchema.shape.watch.unwrap().shape),
    ...prefixed('metrics', agentConfigSchema.shape.metrics.unwrap().shape),
  };
  return schemas[key]?.description ?? '';
}

function prefixed<T>(prefix: string, shape: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(shape).map(([key, schema]) => [`${prefix}.${key}`, schema]));
}
