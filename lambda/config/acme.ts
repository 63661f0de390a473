/** Settings of a CA and of our account there. */
import * as z from 'zod';
import { nearest } from '#common/nearest.ts';
import { canonicalUrl } from '#contract/layout.ts';
import { DIRECTORIES, directoryNamed } from './known-cas.ts';
import { limits } from './limits.ts';

/** A CA's word, but for a typo. */
function meant(input: unknown): string {
  const [likely] = nearest(String(input).slice(0, 40).toLowerCase(), Object.keys(DIRECTORIES), 1);
  return likely === undefined ? '' : `; did you mean ${likely}?`;
}

const directoryUrl = z
  .string()
  .transform(directoryNamed)
  .refine((value) => URL.canParse(value) && new URL(value).protocol === 'https:', {
    error: ({ input }) =>
      `wanted an https:// URL or one of ${Object.keys(DIRECTORIES).join(', ')}${meant(input)}`,
  })
  // The URL is published to every host, and printed: a password in it would be, too.
  .refine((value) => !URL.canParse(value) || `${new URL(value).username}${new URL(value).password}` === '', {
    message: 'wanted a URL without user and password: it is published to every host',
  });

const externalAccountBinding = z.strictObject({
  kid: z.string().min(1).describe('Key identifier, from the CA.'),
  hmacKeyFile: z
    .string()
    .min(1)
    .describe('File that holds the HMAC key in base64url. Relative to this file.'),
});

const settings = z.strictObject({
  directoryUrl: directoryUrl.describe(
    'The CA: the URL of its directory, or letsencrypt, letsencrypt-staging, google, zerossl. Never implied.',
  ),
  contact: z
    .array(
      z.string().regex(/^mailto:[^@\s,?]+@[^@\s,?]+$/, {
        error: ({ input }) =>
          `wanted ${/^[^@\s,?:]+@[^@\s,?:]+$/.test(String(input)) ? `mailto:${input}` : 'mailto:name@example.com, one address in each'}`,
      }),
    )
    .default([])
    .describe('mailto: URLs for the account. Most CAs no longer send mail.'),
  termsOfServiceAgreed: z
    .literal(true, 'must be true: read the terms of service of the CA, then agree')
    .describe('You agree to the terms of service of the CA.'),
  externalAccountBinding: externalAccountBinding
    .optional()
    .describe('For CAs that bind accounts to customers (RFC 8555 §7.3.4).'),
  preferredChain: z
    .string()
    .min(1)
    .optional()
    .describe('Common name of the issuer at the top of the preferred chain.'),
  caFile: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of trust anchors for a private CA. Relative to this file.'),
  lifetime: z
    .string()
    .regex(/^[1-9][0-9]{0,3}[hd]$/, 'wanted hours or days, such as 24h or 90d')
    .optional()
    .describe(
      "How long the CA's certificates are valid, such as 24h or 90d; default: what the profile implies at Let's Encrypt. Short ones need passes more often.",
    ),
  accountUri: z
    .url({ protocol: /^https$/, error: 'wanted the https:// URL of the account: pemfleet account shows it' })
    .max(1000)
    .optional()
    .describe('URL of the account, for records that are made before a pass runs: CAA, dns-persist-01.'),
  caaIdentities: z
    .array(z.string().regex(/^([a-z0-9-]+\.)+[a-z0-9-]+$/, 'wanted a domain name in lower case'))
    .min(1)
    .max(10)
    .optional()
    .describe('Domain names that stand for the CA in CAA records; default: those that its directory names.'),
  limits,
  replaceTrusted: z
    .boolean()
    .optional()
    .describe(
      'Its certificates may take the place of ones that browsers trust, though they do not trust these; default: false.',
    ),
  allowPrivate: z
    .boolean()
    .optional()
    .describe(
      'The CA, and its certificates (OCSP), may name addresses of private networks; default: true with caFile, or where the directory is at such an address.',
    ),
  allowBareDomain: z
    .boolean()
    .optional()
    .describe(
      'Takes a certificate to which the CA has added example.com where www.example.com or *.example.com was ordered; default: false.',
    ),
});

export type AcmeSettings = z.infer<typeof settings> & {
  /** The directory's URL as the file has it, where that is another spelling: earlier versions kept the account under it. */
  spelledUrl?: string | undefined;
};

export const acme = settings.transform((given): AcmeSettings => {
  const directoryUrl = canonicalUrl(given.directoryUrl);
  return {
    ...given,
    directoryUrl,
    ...(directoryUrl !== given.directoryUrl && { spelledUrl: given.directoryUrl }),
  };
});

/** Those that are configured, the preferred one first. */
export function configuredCas<T>({ acme: first, fallback }: { acme: T; fallback: readonly T[] }): T[] {
  return [first, ...fallback];
}
