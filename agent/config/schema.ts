/** The schema of agent.yaml: the agent's settings with their defaults and their descriptions. */
import * as z from 'zod';
import { LOOPBACK_ADDRESS } from '#common/prometheus/metrics-server.ts';
import { TEXTFILE_PATH } from '#common/prometheus/text-format.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import { publicKey } from '#contract/statement.ts';
import { bucketUrlProblem } from '#storage/address.ts';
import { haproxyList, haproxySchema } from './haproxy.ts';
import { watchSchema } from './watch.ts';

/** Octal digits, quoted or not: YAML reads 0600 as the decimal 600. World access is never right for a key. */
const mode = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine(
    (text) => /^0?[46][046]0$/.test(text),
    'must be octal, such as "0600" or "0640", without access for others',
  )
  .transform((text) => Number.parseInt(text, 8));

export const agentConfigSchema = z.strictObject({
  bucket: z
    .string()
    .superRefine((url, context) => {
      const message = bucketUrlProblem(url);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .describe('Bucket URL: s3://bucket/prefix or file:///absolute/path.'),
  fleet: fleetName.describe('Fleet whose certificates this host serves.'),
  host: hostName.describe("This host's name in its status; default: the host name in lower case."),
  haproxy: haproxySchema.prefault({}),
  pem: z
    .strictObject({
      mode: mode.default(0o600).describe('Permission bits of the PEM files.'),
      owner: z.coerce
        .string()
        .optional()
        .describe("User who owns the PEM files, name or number; default: the agent's user."),
      group: z.coerce
        .string()
        .optional()
        .describe("Group of the PEM files, name or number; default: the agent's group."),
    })
    .prefault({})
    .describe('Mode and owner of the PEM files.'),
  metrics: z
    .strictObject({
      textfile: z
        .string()
        .regex(TEXTFILE_PATH, 'must be an absolute path that ends with .prom')
        .optional()
        .describe("File for node_exporter's textfile collector (FILE.prom); default: none."),
      listen: z
        .string()
        .regex(LOOPBACK_ADDRESS, 'must be a loopback address with its port, such as 127.0.0.1:9845')
        .optional()
        .describe(
          'Address and port where Prometheus scrapes /metrics, such as 127.0.0.1:9845; default: none.',
        ),
    })
    .prefault({})
    .describe('Figures for Prometheus.'),
  trust: z
    .strictObject({
      key: publicKey
        .optional()
        .describe(
          'Key whose manifests this host takes ("pemfleet key show"); default: that of the first contact.',
        ),
      recoveryKey: publicKey
        .optional()
        .describe('Key that may name the next key when that one is lost or stolen.'),
      parameter: z
        .string()
        .regex(
          /^(arn:[a-z-]+:ssm:[a-z0-9-]+:[0-9]{12}:parameter)?\/?[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/,
          'must be the name or the ARN of an SSM parameter',
        )
        .optional()
        .describe('SSM parameter that holds both keys, on AWS; default: none.'),
      version1Until: z.iso
        .date('must be a date, such as 2027-01-31')
        .transform((date) => new Date(date))
        .optional()
        .describe(
          'Until this date (0:00 UTC) manifests without a signature are taken, too; default: never again.',
        ),
    })
    .prefault({})
    .describe('Whose manifests this host takes.'),
  watch: watchSchema.prefault({}).describe('How soon it is noticed that a certificate is no longer served.'),
  hooks: z
    .strictObject({
      proved: z
        .array(z.string().min(1).max(4096))
        .min(1)
        .max(50)
        .refine(([program = '']) => program.startsWith('/'), 'wanted a program by its absolute path, first')
        .optional()
        .describe('Program with its arguments, run once a handshake shows a new certificate; default: none.'),
      timeoutSeconds: z.number().int().min(1).max(120).default(30).describe('How long it may take.'),
    })
    .prefault({})
    .describe('Programs of yours.'),
  pollInterval: z.coerce
    .number()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('Seconds between the polls of "run", give or take a tenth.'),
  stateDir: z
    .string()
    .regex(/^\//, 'must be an absolute path')
    .default('/var/lib/pemfleet-agent')
    .describe('Directory of the last good manifest, failures and the last status. No keys.'),
});

/** Schema of agent.yaml for an editor's completion: `pemfleet-agent schema`. */
export function agentJsonSchema() {
  const options = { io: 'input', unrepresentable: 'any' } as const;
  const { properties = {}, ...rest } = z.toJSONSchema(agentConfigSchema, options);
  const { $schema: _, ...list } = z.toJSONSchema(haproxyList, options);
  const one = properties['haproxy'];
  const described = { anyOf: [one, list], description: 'HAProxy of this host: one, or a list of several.' };
  // The host's name has a default that no schema can say.
  const required = (rest.required ?? []).filter((key) => key !== 'host');
  return { ...rest, required, properties: { ...properties, haproxy: described } };
}
