/** Failures of OCSP. None of them fails a pass: a certificate is good without a staple. */

/** HAProxy must not staple the responder's answer; the message names the broken rule. */
export class OcspRejected extends Error {
  override name = 'OcspRejected';
  readonly code = 'ERR_OCSP';
}

/** The responder gave no whole answer. */
export class OcspUnreachable extends Error {
  override name = 'OcspUnreachable';
  readonly code = 'ERR_OCSP_UNREACHABLE';
  /** It was not asked, because it is in a private network. */
  readonly isPrivate: boolean;
  constructor(message: string, isPrivate = false) {
    super(message);
    this.isPrivate = isPrivate;
  }
}
