/** pemfleet.yaml and agent.yaml as init writes them: with a comment where a reader would ask. */
import type { NameGroup } from './host/names.ts';

export interface IssuerAnswers {
  bucket: string;
  /** A word of the configuration, or a URL. */
  ca: string;
  caFile: string | undefined;
  email: string | undefined;
  challenge: 'http-01' | 'dns-01';
  groups: readonly NameGroup[];
}

export interface AgentAnswers {
  bucket: string;
  statsSocket: string;
  certsDir: string;
  handshake: readonly string[];
  /** Of a HAProxy that never is root: it reads the files by its group. */
  pemGroup: string | undefined;
  /** Where it is not in the usual directories. */
  haproxyProgram: string | undefined;
  /** The command that writes the file; default: init. */
  by?: 'init' | 'adopt';
  /** The list by which HAProxy loads them, where the agent may write it. */
  crtListFile?: string | undefined;
  /** Where HAProxy's configuration names the directory in another way. */
  paths?: { host: string; haproxy: string } | undefined;
}

/** `pemfleet go-live` takes it out. */
export const STAGING_COMMENT = `  # Browsers do not trust its certificates. When "pemfleet status" is green: pemfleet go-live\n`;

const schemaLine = (schema: string | undefined) =>
  schema === undefined ? '' : `# yaml-language-server: $schema=${schema}\n`;

/** Words that YAML reads as text, whatever they are. */
export const yamlScalar = (text: string): string =>
  /^([a-z_][a-z0-9_-]*(\.[a-z0-9_-]+)+|(https|file|s3):\/\/[\w./%~+=?&-]+|\/[\w./@+-]+|\d+\.\d+\.\d+\.\d+:\d+)$/.test(
    text,
  )
    ? text
    : JSON.stringify(text);

const word = (text: string): string => (/^[a-z][a-z0-9-]*$/.test(text) ? text : yamlScalar(text));

export const yamlList = (texts: readonly string[]): string => `[${texts.map(yamlScalar).join(', ')}]`;

/** @param schema file of the JSON schema, for editors */
export function issuerDocument(answers: IssuerAnswers, schema: string | undefined): string {
  const { bucket, ca, caFile, email, challenge, groups } = answers;
  const isStaging = /staging/.test(ca);
  const certificates = groups.map(({ names, from }) => {
    const source = from === '' ? '' : `  # ${from}\n`;
    return `${source}  - identifiers: ${yamlList(names)}\n`;
  });
  return `${schemaLine(schema)}# What pemfleet issues, and from which CA. "pemfleet init" wrote this file; it is yours to edit: the next pass reads it.
# "pemfleet plan" shows what a pass would do; every setting: /usr/share/doc/pemfleet/config.md.

# Where certificates are published, and where hosts get them.
bucket: ${yamlScalar(bucket)}

acme:
${isStaging ? STAGING_COMMENT : ''}  directoryUrl: ${word(ca)}
${caFile === undefined ? '' : `  # Trust anchors of the CA's own server.\n  caFile: ${yamlScalar(caFile)}\n`}${email === undefined ? '' : `  contact: [${JSON.stringify(`mailto:${email}`)}]\n`}  # You agree to the CA's terms of service.
  termsOfServiceAgreed: true

${CHALLENGE_COMMENT[challenge]}
challenge: ${challenge}

# One certificate each. One name that fails keeps all names of its certificate back.
certificates:
${certificates.join('')}`;
}

const CHALLENGE_COMMENT = {
  'http-01': '# HAProxy hands what the CA asks for on port 80 to "pemfleet respond".',
  'dns-01': '# Records in Route 53 prove the names: docs/dns-01.md.',
} as const;

/** @param schema file of the JSON schema, for editors */
export function agentDocument(answers: AgentAnswers, schema: string | undefined): string {
  const { bucket, statsSocket, certsDir, handshake, pemGroup, haproxyProgram, by = 'init' } = answers;
  const { crtListFile, paths } = answers;
  const list = crtListFile === undefined ? '' : `  crtListFile: ${yamlScalar(crtListFile)}\n`;
  const names =
    paths === undefined
      ? ''
      : `  # HAProxy names its files in the second directory, where links lead to the first.\n  paths: { host: ${yamlScalar(paths.host)}, haproxy: ${yamlScalar(paths.haproxy)} }\n`;
  return `${schemaLine(schema)}# How pemfleet-agent keeps the certificates of this host's HAProxy. "pemfleet ${by}" wrote this file; it is yours to edit.
# "pemfleet-agent doctor" shows what the installation lacks; every setting: /usr/share/doc/pemfleet-agent/agent-settings.md.

# Where the issuer publishes.
bucket: ${yamlScalar(bucket)}
fleet: default

haproxy:
  # Certificates are loaded through it, without a reload.
  statsSocket: ${yamlScalar(statsSocket)}
  # The agent writes the PEM files here; ${by === 'init' ? 'a bind names the directory as "crt"' : "HAProxy's binds name them"}.
  certsDir: ${yamlScalar(certsDir)}
${list}${names}  # A TLS handshake here proves that each certificate is served.
  handshake: ${yamlList(handshake)}
${haproxyProgram === undefined ? '' : `  program: ${yamlScalar(haproxyProgram)}\n`}${pemGroup === undefined ? '' : `\npem:\n  # HAProxy is not started as root: its group reads the files.\n  mode: "0640"\n  group: ${word(pemGroup)}\n`}`;
}
