/**
 * The part of acme-client that we use, imported past its index so that axios' and node-forge's weight stays
 * out. The package ships no types for this module.
 */
declare module 'acme-client/src/http.js' {
  import type { KeyObject } from 'node:crypto';

  /** JWS of RFC 8555 §6.2; its `request` is never called, see client.ts. */
  export default class HttpClient {
    constructor(directoryUrl: string, accountKey: string | Buffer);
    /** What it signs with. */
    accountKey: string | Buffer | KeyObject;
    createSignedBody(
      url: string,
      payload: object | null,
      options: { nonce: string | null; kid: string | null },
    ): { protected: string; payload: string; signature: string };
    createSignedHmacBody(hmacKey: string, url: string, payload: object, options: { kid: string }): object;
    getJwk(): Record<string, string>;
  }
}
