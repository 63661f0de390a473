/**
 * The receipt of a published PEM: the issuer's signature over what it is, whose it is and when it came. Hosts keep it beside the file: it
 * proves that the file is ours, and which sequence they have seen, when all else that they knew is lost.
 */
import * as z from 'zod';
import { dateTime } from './document.ts';
import { certificateName, fleetName, sha256Hex } from './layout.ts';
import { type PublicKey, readStatement, type Signer, type Statement } from './statement.ts';

/** Grows with each manifest of a fleet: max(last + 1, time in ms). */
export const sequenceNumber = z.number().int().positive();

const receiptClaims = z.looseObject({
  fleet: fleetName,
  /** Name of the certificate. */
  name: certificateName,
  /** Of the combined PEM. */
  sha256: sha256Hex,
  /** End of the leaf's validity. */
  notAfter: dateTime,
  /** Of the manifest that named it first. A rollback makes a new receipt. */
  sequence: sequenceNumber,
});

export type ReceiptClaims = z.infer<typeof receiptClaims>;

export function signReceipt(signer: Signer, claims: ReceiptClaims): string {
  return signer.sign('pem', claims);
}

/** @returns the claims and who signed them: the caller decides whether that key counts. @throws StatementRefused */
export function readReceipt(text: string): Statement<ReceiptClaims> & { key: PublicKey } {
  return readStatement('pem', text, receiptClaims);
}
