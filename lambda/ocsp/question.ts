import type { X509Certificate } from 'node:crypto';

/** What a response has to answer. */
export interface OcspQuestion {
  leaf: X509Certificate;
  issuer: X509Certificate;
  now: Date;
}
