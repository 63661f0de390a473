/** Revocation, signed by the key of an account that may, or by that of the certificate (RFC 8555 §7.6). */
import type { X509Certificate } from 'node:crypto';
import type { AcmeClient } from './client.ts';
import { AcmeProblem, NotOffered } from './problem.ts';

/** Reasons of RFC 5280 §5.3.1 that a subscriber may give to a public CA. */
const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const;

export type RevocationReason = keyof typeof REVOCATION_REASONS;

export const REVOCATION_WORDS = Object.keys(REVOCATION_REASONS) as [RevocationReason, ...RevocationReason[]];

/** @returns false if the certificate was revoked already. @throws AcmeProblem `unauthorized` for a certificate of another account */
export function revokeCertificate(
  client: AcmeClient,
  certificate: X509Certificate,
  reason: RevocationReason,
): Promise<boolean> {
  return revoke(client, { certificate, reason }, undefined);
}

/**
 * Whoever has the certificate's key may revoke it, whichever account has ordered it.
 * @param client that signs with this key: it has no account
 */
export function revokeByOwnKey(
  client: AcmeClient,
  certificate: X509Certificate,
  reason: RevocationReason,
): Promise<boolean> {
  return revoke(client, { certificate, reason }, { kid: false });
}

async function revoke(
  client: AcmeClient,
  { certificate, reason }: { certificate: X509Certificate; reason: RevocationReason },
  options: { kid: false } | undefined,
): Promise<boolean> {
  const { revokeCert } = client.directory;
  if (revokeCert === undefined) {
    throw new NotOffered('the CA offers no revocation (directory without revokeCert)');
  }
  const payload = { certificate: certificate.raw.toString('base64url'), reason: REVOCATION_REASONS[reason] };
  try {
    await client.post(revokeCert, payload, options);
    return true;
  } catch (error) {
    if (error instanceof AcmeProblem && error.type === 'alreadyRevoked') return false;
    throw error;
  }
}
