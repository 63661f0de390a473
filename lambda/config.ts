/**
 * pemfleet.yaml: what to issue, from which CA, for which fleets. Strict: a typo is an error with its path. The
 * same schema serves the command line, the Lambda and (later) the CDK app.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import { canonicalIdentifier } from '#contract/combined-pem.ts';
import { certificateName, fleetName } from '#contract/layout.ts';
import { ConfigError, configError } from './errors.ts';

/** Short names for well-known directories; any other CA by its URL. */
export const DIRECTORIES: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
  google: 'https://dv.acme-v02.api.pki.goog/directory',
  zerossl: 'https://acme.zerossl.com/v2/DV90',
};

export const KEY_TYPES = ['ec256', 'ec384', 'rsa2048', 'rsa4096'] as const;

const identifier = z.string().transform((value, context) => {
  const problem = identifierProblem(value);
  if (problem === undefined) return isIP(value) ? canonicalIdentifier(value) : toAscii(value);
  context.addIssue({ code: 'custom', message: `${JSON.stringify(value)} ${problem}` });
  return z.NEVER;
});

const directoryUrl = z
  .string()
  .transform((value) => DIRECTORIES[value] ?? value)
  .refine((value) => URL.canParse(value) && new URL(value).protocol === 'https:', {
    message: `wanted an https:// URL or one of ${Object.keys(DIRECTORIES).join(', ')}`,
  });

const acme = z.strictObject({
  directoryUrl: directoryUrl.describe(
    'The CA: the URL of its directory, or letsencrypt, letsencrypt-staging, google, zerossl. Never implied.',
  ),
  contact: z
    .array(z.string().regex(/^mailto:[^@\s,?]+@[^@\s,?]+$/, 'wanted mailto:name@example.com'))
    .default([])
    .describe('mailto: URLs for the account. Most CAs no longer send mail.'),
  termsOfServiceAgreed: z
    .literal(true, 'must be true: read the terms of service of the CA, then agree')
    .describe('You agree to the terms of service of the CA.'),
  caFile: z
    .string()
    .optional()
    .describe('PEM file of trust anchors for a private CA. Relative to this file.'),
});

const certificate = z
  .strictObject({
    name: certificateName
      .optional()
      .describe('Stable handle and file stem. Default: the first identifier, * as _.'),
    identifiers: z
      .array(identifier)
      .min(1)
      .max(100)
      .describe('DNS names; wildcards and IP addresses where challenge and CA allow them.'),
    keyType: z.enum(KEY_TYPES).default('ec256').describe('Key of the certificate.'),
    profile: z
      .string()
      .min(1)
      .optional()
      .describe('Profile of the CA, for example classic, tlsserver, shortlived.'),
    fleets: z
      .array(fleetName)
      .min(1)
      .default([fleetName.parse('default')])
      .describe('Fleets whose hosts get the certificate.'),
  })
  .superRefine(checkIdentifiers)
  .transform((spec, context) => {
    const name = certificateName.safeParse(
      spec.name ?? spec.identifiers[0]?.replace(/^\*/, '_').replaceAll(':', '-'),
    );
    if (name.success) return { ...spec, name: name.data };
    context.addIssue({
      code: 'custom',
      path: ['name'],
      message: 'the first identifier gives no file name; set a name',
    });
    return z.NEVER;
  });

const config = z
  .strictObject({
    bucket: z.string().min(1).describe('Where certificates are published: file:///absolute/path.'),
    acme,
    challenge: z.enum(['http-01']).default('http-01').describe('How control of the names is proven.'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(50)
      .default(10)
      .describe('Certificates that are ordered at the same time.'),
    certificates: z.array(certificate).min(1).describe('What to issue.'),
  })
  .superRefine(({ certificates }, context) => {
    const first = new Map<string, number>();
    certificates.forEach(({ name }, index) => {
      const earlier = first.get(name);
      first.set(name, earlier ?? index);
      if (earlier === undefined) return;
      const message = `the name ${name} is taken by certificates[${earlier}]; set a name of its own`;
      context.addIssue({ code: 'custom', path: ['certificates', index, 'name'], message });
    });
  });

export type Config = z.infer<typeof config>;
export type CertificateSpec = Config['certificates'][number];
/** For an editor's completion: `pemfleet schema`. */
export const configJsonSchema = () => z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' });

/** @throws ConfigError with one line per issue */
export function parseConfig(file: string, text: string): Config {
  const result = config.safeParse(readYaml(file, text));
  if (result.success) return result.data;
  throw configError(file, result.error);
}

function readYaml(file: string, text: string): unknown {
  try {
    return parseYaml(text);
  } catch (error) {
    throw new ConfigError(`${file} is not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function identifierProblem(value: string): string | undefined {
  if (isIP(value)) return value.includes('%') ? 'has a zone: no CA knows it' : undefined;
  const ascii = toAscii(value);
  const labels = ascii.replace(/^\*\./, '').split('.');
  if (value.includes('*') && !/^\*\.[^*]+$/.test(value))
    return 'has a * elsewhere than as the whole first label';
  // domainToASCII() reads a host as a URL does: it cuts a path off and takes `127.1` for an address.
  if (/[/\\?#%]/.test(value.normalize('NFKC')) || isIP(ascii)) return 'is no DNS name';
  if (ascii.length > 253 || labels.length < 2) return 'is no fully qualified DNS name or IP address';
  const isLabel = (label: string) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label);
  return labels.every(isLabel) ? undefined : 'is no DNS name: labels hold letters, digits and inner hyphens';
}

/** IDNA: what the CA and the certificate know the name by. */
function toAscii(value: string): string {
  const wildcard = value.startsWith('*.') ? '*.' : '';
  return wildcard + domainToASCII(value.slice(wildcard.length)).toLowerCase();
}

function checkIdentifiers({ identifiers }: { identifiers: string[] }, context: z.RefinementCtx): void {
  identifiers.forEach((value, index) => {
    const path = ['identifiers', index];
    if (identifiers.indexOf(value) !== index)
      context.addIssue({ code: 'custom', path, message: `${value} is listed twice` });
    const wildcard = `*.${value.split('.').slice(1).join('.')}`;
    if (value !== wildcard && identifiers.includes(wildcard)) {
      context.addIssue({
        code: 'custom',
        path,
        message: `${value} is covered by ${wildcard}; CAs refuse the pair`,
      });
    }
    if (value.startsWith('*.'))
      context.addIssue({
        code: 'custom',
        path,
        message: `${value}: a wildcard needs dns-01, HTTP-01 cannot prove it`,
      });
  });
}
