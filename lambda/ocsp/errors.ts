/** Failures of OCSP. None of them fails a pass: the certificate is good without a staple. */

/** The responder's answer must not be stapled; the message names the rule. */
export class OcspRejected extends Error {
  override name = 'OcspRejected';
  readonly code = 'ERR_OCSP';
}

/** No whole answer from the responder. */
export class OcspUnreachable extends Error {
  override name = 'OcspUnreachable';
  readonly code = 'ERR_OCSP_UNREACHABLE';
}
