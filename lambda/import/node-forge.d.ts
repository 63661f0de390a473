/** The parts of node-forge that read PKCS#12: past its index, so that its TLS, SSH and HTTP stay out. The package ships no types. */
declare module 'node-forge/lib/forge.js' {
  import type * as forge from 'node-forge/lib/pkcs12.js';

  const whole: forge.Forge;
  export default whole;
}

declare module 'node-forge/lib/pkcs12.js' {
  /** A node of an ASN.1 tree; `value` is a list where it is constructed. */
  export interface Asn1 {
    /** Its universal tag. */
    type: number;
    value: Asn1[] | string;
  }
  export interface SafeBag {
    type: string;
    /** Of a certificate bag: what forge has parsed itself; of others it keeps `asn1`. */
    cert?: object | null;
    /** Of a key bag: an RSA key; of others forge keeps `asn1` (PKCS#8). */
    key?: object | null;
    asn1?: Asn1;
  }
  export interface Forge {
    asn1: {
      fromDer(bytes: string, options: { strict: boolean; parseAllBytes: boolean }): Asn1;
      toDer(asn1: Asn1): { getBytes(): string };
    };
    /** What each encrypted part is opened by; forge calls it by this name. */
    pbe: { getCipher(oid: string, parameters: Asn1, passphrase: string | undefined): object };
    pki: { certificateToAsn1(certificate: object): Asn1; privateKeyToAsn1(key: object): Asn1 };
    pkcs12: {
      pkcs12FromAsn1(
        asn1: Asn1,
        strict: boolean,
        passphrase: string | undefined,
      ): { safeContents: { safeBags: SafeBag[] }[] };
    };
    util: { encodeUtf8(text: string): string };
  }
}
