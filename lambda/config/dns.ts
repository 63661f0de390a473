/** Settings of DNS-01 by Route 53: hosted zones that the issuer cannot find in its own account. */
import { isIP } from 'node:net';
import * as z from 'zod';

const hostedZone = z.strictObject({
  domain: z
    .string()
    .regex(
      /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9-]+$/,
      'wanted a domain name in lower case, without a dot at its end',
    )
    .describe('This domain and all below it; of several that fit, the longest counts.'),
  hostedZoneId: z
    .string()
    .regex(/^Z[A-Z0-9]{1,31}$/, 'wanted the id of a hosted zone, for example Z0123456789ABCDEFGHIJ')
    .optional()
    .describe('Default: the public zone of this name in the account.'),
  roleArn: z
    .string()
    .regex(/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/, 'wanted the ARN of an IAM role')
    .optional()
    .describe('Role to assume for this zone, for example in another account.'),
  externalId: z
    .string()
    .min(2)
    .max(1224)
    .optional()
    .describe("External id that the role's trust policy requires."),
});

export const dns = z.strictObject({
  hostedZones: z.array(hostedZone).default([]).describe('Only zones that the issuer cannot find on its own.'),
  resolvers: z
    .array(z.string().refine(isAddress, 'wanted an IP address, with :port where it is not 53'))
    .default([])
    .describe("Name servers to ask for CNAMEs at _acme-challenge; default: the machine's own."),
});

export type DnsSettings = z.infer<typeof dns>;
export type HostedZoneSettings = DnsSettings['hostedZones'][number];

/** The configured domain with the longest name that holds `name`; `undefined`: the zone is found by its name in the issuer's account. */
export function hostedZoneSettingsFor(
  name: string,
  zones: readonly HostedZoneSettings[],
): HostedZoneSettings | undefined {
  return zones
    .filter(({ domain }) => name === domain || name.endsWith(`.${domain}`))
    .sort((a, b) => b.domain.length - a.domain.length)[0];
}

export function isAddress(value: string): boolean {
  const [, bracketed, plain] = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+))(?::\d{1,5})?$/.exec(value) ?? [];
  return isIP(bracketed ?? plain ?? value) !== 0;
}
