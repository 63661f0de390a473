/**
 * pemfleet.yaml: what to issue, from which CA, for which fleets. Strict: a typo is an error with its path. One
 * schema serves the command line, the Lambda and the CDK app.
 */
import * as z from 'zod';
import { ConfigError, type ConfigIssue, issueLines } from '#common/config-error.ts';
import { LOOPBACK_ADDRESS } from '#common/prometheus/metrics-server.ts';
import { TEXTFILE_PATH } from '#common/prometheus/text-format.ts';
import { type CertificateName, certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import { bucketUrlProblem } from '#storage/address.ts';
import { acme } from './acme.ts';
import { type ChallengeName, challenge, challengesOf, checkChallenges } from './challenge.ts';
import { listingSchema } from './crt-list.ts';
import { dns } from './dns.ts';
import { hosts } from './hosts.ts';
import { checkIdentifiers, identifier, internalNameProblem, underscoreProblem } from './identifier.ts';
import { knownCaOf } from './known-cas.ts';
import { notify } from './notify/notify.ts';
import { probe } from './probe.ts';
import { impliedWakeMinutes, LEAST_WAKE_MINUTES } from './schedule.ts';

export const KEY_TYPES = ['ec256', 'ec384', 'rsa2048', 'rsa4096'] as const;
const keyType = z.enum(KEY_TYPES);

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
    challenge: challenge
      .optional()
      .describe('How control of its names is proven, where it differs from the default: a word or a list.'),
    keyType: keyType.optional().describe('Key of the certificate; default ec256.'),
    keyTypes: z
      .array(keyType)
      .min(1)
      .max(2)
      .optional()
      .describe('One elliptic and one RSA key: two certificates that are published together or not at all.'),
    imported: z
      .boolean()
      .optional()
      .describe(
        'Comes by `pemfleet import`, and no CA is asked for it: a bought certificate, or one of an internal CA; default: false.',
      ),
    reuseKey: z.boolean().default(false).describe('Keep the key at a renewal. A fresh one is safer.'),
    profile: z
      .string()
      .min(1)
      .optional()
      .describe('Profile of the CA, for example classic, tlsserver, shortlived.'),
    mustStaple: z
      .literal(
        false,
        "must not be set: Let's Encrypt ended OCSP in 2025 and fails such orders, and browsers would refuse the certificate without a staple",
      )
      .default(false)
      .describe('Refused: see docs/config.md.'),
    haproxy: listingSchema
      .optional()
      .describe('Its line in the crt-list of hosts that have one (haproxy.crtListFile of the agent).'),
    fleets: z
      .array(fleetName)
      .min(1)
      .default([fleetName.parse('default')])
      .describe('Fleets whose hosts get the certificate.'),
  })
  .superRefine((given, context) => {
    const { identifiers, keyType, keyTypes } = given;
    const complain = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    for (const key of ['challenge', 'keyType', 'keyTypes', 'profile'] as const) {
      if (!given.imported || given[key] === undefined) continue;
      complain([key], 'says how it is ordered, and an imported certificate is not: leave it out');
    }
    if (!given.imported) {
      checkIdentifiers(identifiers, (index, message) => complain(['identifiers', index], message));
    }
    if (keyType !== undefined && keyTypes !== undefined) {
      complain(['keyTypes'], 'set keyType or keyTypes, not both');
    }
    if (keyTypes?.length === 2 && new Set(keyTypes.map((type) => type.startsWith('rsa'))).size === 1) {
      complain(['keyTypes'], 'a pair is one elliptic and one RSA key; HAProxy serves one of each kind');
    }
  })
  .transform(({ keyType, keyTypes, mustStaple: _, ...spec }, context) => {
    const name = certificateName.safeParse(
      spec.name ?? spec.identifiers[0]?.replace(/^\*/, '_').replaceAll(':', '-'),
    );
    // Elliptic first: where one key type stands for both, it is the modern one.
    const types = [...(keyTypes ?? [keyType ?? 'ec256'])].sort();
    if (name.success) return { ...spec, name: name.data, keyTypes: types };
    context.addIssue({
      code: 'custom',
      path: ['name'],
      message: 'the first identifier gives no file name; set a name',
    });
    return z.NEVER;
  });

const contract = z.strictObject({
  v1: z
    .enum(['auto', 'on', 'off'])
    .default('auto')
    .describe(
      'Whether manifest.json, the manifest of version 1, is written along; auto: while a host reported an agent of version 1 in the last 30 days.',
    ),
});

const metrics = z
  .strictObject({
    textfile: z
      .string()
      .regex(TEXTFILE_PATH, 'must be an absolute path that ends with .prom')
      .optional()
      .describe(
        "File for node_exporter's textfile collector, written after each `pemfleet run`; default: none.",
      ),
    listen: z
      .string()
      .regex(LOOPBACK_ADDRESS, 'must be a loopback address with its port, such as 127.0.0.1:9844')
      .optional()
      .describe('Where `pemfleet respond` answers GET /metrics with that file; default: nowhere.'),
  })
  .refine(({ listen, textfile }) => listen === undefined || textfile !== undefined, {
    path: ['listen'],
    message: 'answers with the file that textfile names: set metrics.textfile, too',
  });

const written = z
  .strictObject({
    bucket: z
      .string()
      .superRefine((url, context) => {
        const message = bucketUrlProblem(url);
        if (message !== undefined) context.addIssue({ code: 'custom', message });
      })
      .describe('Bucket URL: s3://bucket/prefix or file:///absolute/path.'),
    acme: acme.describe('The CA.'),
    fallback: z
      .array(acme)
      .max(3)
      .default([])
      .describe('Further CAs, in order, for when the first fails through its own fault.'),
    challenge: challenge
      .prefault('http-01')
      .describe(
        'How control of the names is proven, one way or several in order of preference; stateless: HAProxy answers from the account thumbprint; dns-01: Route 53.',
      ),
    dns: dns.prefault({}).describe('DNS-01: zones that the issuer cannot find on its own.'),
    wakeMinutes: z
      .number()
      .int()
      .min(LEAST_WAKE_MINUTES)
      .max(1440)
      .optional()
      .describe(
        'Minutes between scheduled passes; the last one inside a renewal window renews at the latest. Default: 30, less where lifetimes need it.',
      ),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(50)
      .default(10)
      .describe('Certificates to order at the same time.'),
    ordersPer3Hours: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe('New orders of the account at each CA in three hours, in place of what the CA publishes.'),
    hosts: hosts.prefault({}).describe('Hosts that should be there.'),
    keyRetention: z
      .string()
      .regex(/^[1-9][0-9]{0,3}d$/, 'wanted whole days, such as 30d')
      .default('30d')
      .describe(
        'How long keys of withdrawn and superseded certificates stay in the bucket and on hosts, and so how far a rollback reaches, such as 30d.',
      ),
    contract: contract.prefault({}).describe('Versions of the contract that the issuer writes.'),
    probe: probe.describe(
      'Handshakes with the addresses that clients find, from outside; true: all defaults.',
    ),
    metrics: metrics.prefault({}).describe('Figures for Prometheus, without AWS.'),
    notify: notify
      .optional()
      .describe('Whom the issuer tells of changes in words, and how; default: nobody.'),
    statusPage: z
      .boolean()
      .default(false)
      .describe(
        'After each pass, what pemfleet status knows as one page in the bucket; a signed link opens it.',
      ),
    certificates: z.array(certificate).min(1).describe('What to issue.'),
  })
  .superRefine(({ acme: first, fallback, challenge, certificates, hosts }, context) => {
    const complain = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    const urls = [first, ...fallback].map((ca) => ca.directoryUrl);
    urls.forEach((url, index) => {
      if (urls.indexOf(url) !== index) {
        complain(['fallback', index - 1, 'directoryUrl'], `${url} is listed twice`);
      }
    });
    if (usedChallenges({ challenge, certificates }).has('http-01-stateless') && fallback.length > 0) {
      complain(['fallback'], 'http-01-stateless answers for one account only; use http-01 with several CAs');
    }
    const arePrivate = [first, ...fallback].every((ca) => ca.caFile !== undefined);
    // A CA that is not known may take what the known ones refuse.
    const isKnown = [first, ...fallback].some((ca) => knownCaOf(ca.directoryUrl) !== undefined);
    certificates.forEach((spec, index) => {
      // What a CA has issued already, it has taken.
      if (spec.imported) return;
      spec.identifiers.forEach((name, at) => {
        const problem = arePrivate
          ? undefined
          : (internalNameProblem(name) ?? (isKnown ? underscoreProblem(name) : undefined));
        if (problem !== undefined) complain(['certificates', index, 'identifiers', at], problem);
      });
      checkChallenges(spec, challenge, (at, message) =>
        complain(['certificates', index, 'identifiers', ...(at === undefined ? [] : [at])], message),
      );
    });
    const fleets = configuredFleets({ certificates });
    for (const fleet of Object.keys(hosts.expected)) {
      if (fleets.includes(fleet as FleetName)) continue;
      complain(['hosts', 'expected', fleet], `no certificate names this fleet; fleets: ${fleets.join(', ')}`);
    }
    const names = certificates.map(({ name }) => name);
    names.forEach((name, index) => {
      const earlier = names.indexOf(name);
      if (earlier === index) return;
      complain(
        ['certificates', index, 'name'],
        `the name ${name} is taken by certificates[${earlier}]; set a name of its own`,
      );
    });
  })
  .transform((whole) => ({
    ...whole,
    certificates: whole.certificates.map((spec) => ({
      ...spec,
      /** In order of preference; each can prove all identifiers. */
      challenge: spec.imported ? [] : challengesOf(spec, whole.challenge),
    })),
  }));

/** Where none is set, the schedule follows from the lifetimes. */
const config = written.transform((given) => ({
  ...given,
  wakeMinutes: given.wakeMinutes ?? impliedWakeMinutes(given),
}));

export type Config = z.infer<typeof config>;
export type CertificateSpec = Config['certificates'][number];

/** Challenges by which some certificate may be proven. */
export function usedChallenges({
  challenge: inherited = [],
  certificates,
}: {
  challenge?: readonly ChallengeName[];
  certificates: readonly {
    identifiers: readonly string[];
    challenge?: readonly ChallengeName[] | undefined;
    imported?: boolean | undefined;
  }[];
}): ReadonlySet<ChallengeName> {
  const ordered = orderedSpecs(certificates);
  return new Set(ordered.flatMap((spec) => challengesOf(spec, inherited)));
}

/** Those that a CA is asked for: not what is imported. */
export function orderedSpecs<T extends { imported?: boolean | undefined }>(specs: readonly T[]): T[] {
  return specs.filter(({ imported }) => imported !== true);
}

/** Fleets that a certificate names. */
export function configuredFleets({
  certificates,
}: {
  certificates: readonly Pick<CertificateSpec, 'fleets'>[];
}): FleetName[] {
  return [...new Set(certificates.flatMap(({ fleets }) => fleets))];
}

/** Certificates that are configured for a fleet. */
export function specsOfFleet<T extends Pick<CertificateSpec, 'fleets'>>(
  specs: readonly T[],
  fleet: FleetName,
): T[] {
  return specs.filter(({ fleets }) => fleets.includes(fleet));
}

/** Their names. */
export function namesOfFleet(
  specs: readonly CertificateSpec[],
  fleet: FleetName,
): ReadonlySet<CertificateName> {
  return new Set(specsOfFleet(specs, fleet).map(({ name }) => name));
}

/** Schema for an editor's completion: `pemfleet schema`. */
export const configJsonSchema = () => z.toJSONSchema(config, { io: 'input', unrepresentable: 'any' });

/** One line for each issue. */
export type ExplainIssues = (issues: ConfigIssue[]) => string[];

/**
 * @param file name for messages
 * @param explain default: lines without a place, for a document that comes from no file
 * @throws ConfigError `ERR_CONFIG` with one line per issue
 */
export function checkConfig(file: string, document: unknown, explain: ExplainIssues = issueLines): Config {
  const result = config.safeParse(document);
  if (result.success) return result.data;
  const lines = explain(result.error.issues).map((line) => `  ${line}`);
  throw new ConfigError('ERR_CONFIG', `${file} was refused:\n${lines.join('\n')}`);
}
