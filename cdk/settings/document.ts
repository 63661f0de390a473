/** pemfleet.yaml as a type, for apps that build it. docs/config.md explains each key; a test holds it to the schema. */

/** By which a certificate's names are proven. */
export type ChallengeWord = 'http-01' | 'http-01-stateless' | 'dns-01' | 'dns-persist-01';

/** Key of a certificate. */
export type KeyTypeWord = 'ec256' | 'ec384' | 'rsa2048' | 'rsa4096';

/** So many in so many hours; `false`: the CA has no such limit. */
export type LimitDocument = false | { readonly count: number; readonly hours: number };

/** One way to people or programs: exactly one of `sns`, `eventbridge`, `webhook`. */
export interface ChannelDocument {
  readonly sns?: string;
  readonly eventbridge?: string;
  readonly webhook?: {
    readonly url?: string;
    readonly urlParameter?: string;
    readonly secretParameter?: string;
    readonly template?: string;
    readonly allowHttp?: boolean;
  };
  readonly only?: readonly string[];
  readonly timeoutSeconds?: number;
}

/** A CA and our account there. */
export interface AcmeDocument {
  /** URL of its directory, or a name of docs/cas.md, such as `letsencrypt`. */
  readonly directoryUrl: string;
  /** Read them first. */
  readonly termsOfServiceAgreed: true;
  /** `mailto:` addresses. */
  readonly contact?: readonly string[];
  readonly externalAccountBinding?: { readonly kid: string; readonly hmacKeyFile: string };
  readonly preferredChain?: string;
  /** PEM file with the trust anchors of a private CA; it ships with the issuer. */
  readonly caFile?: string;
  /** Of its certificates, for example `90d`. */
  readonly lifetime?: string;
  readonly accountUri?: string;
  readonly caaIdentities?: readonly string[];
  readonly limits?:
    | false
    | {
        readonly newOrders?: LimitDocument;
        readonly certificatesPerDomain?: LimitDocument;
        readonly certificatesPerNames?: LimitDocument;
        readonly failedValidations?: LimitDocument;
        readonly consecutiveFailures?: LimitDocument;
      };
  readonly replaceTrusted?: boolean;
  readonly allowBareDomain?: boolean;
}

/** A certificate to order. */
export interface CertificateDocument {
  readonly identifiers: readonly string[];
  /** @default - the first identifier */
  readonly name?: string;
  readonly challenge?: ChallengeWord | readonly ChallengeWord[];
  readonly keyType?: KeyTypeWord;
  readonly keyTypes?: readonly KeyTypeWord[];
  /** It comes by `pemfleet import`; no CA is asked for it. */
  readonly imported?: boolean;
  readonly reuseKey?: boolean;
  readonly profile?: string;
  readonly mustStaple?: false;
  readonly haproxy?: { readonly crtListOptions?: readonly string[]; readonly sniFilters?: readonly string[] };
  /** @default ['default'] */
  readonly fleets?: readonly string[];
}

/** The whole of pemfleet.yaml. */
export interface PemfleetDocument {
  /** `s3://<name>` gives the stack's bucket a name. */
  readonly bucket?: string;
  readonly acme: AcmeDocument;
  readonly fallback?: readonly AcmeDocument[];
  readonly challenge?: ChallengeWord | readonly ChallengeWord[];
  readonly dns?: {
    readonly hostedZones?: readonly {
      readonly domain: string;
      readonly hostedZoneId?: string;
      readonly roleArn?: string;
      readonly externalId?: string;
    }[];
    readonly resolvers?: readonly string[];
  };
  readonly wakeMinutes?: number;
  readonly concurrency?: number;
  readonly ordersPer3Hours?: number;
  readonly hosts?: { readonly expected?: Readonly<Record<string, number | readonly string[]>> };
  readonly contract?: { readonly v1?: 'auto' | 'on' | 'off' };
  readonly probe?:
    | boolean
    | {
        readonly scheduled?: boolean;
        readonly port?: number;
        readonly fleets?: readonly { readonly fleet: string; readonly addresses: readonly string[] }[];
        readonly except?: readonly string[];
        readonly resolvers?: readonly string[];
        readonly allowPrivate?: boolean;
        readonly concurrency?: number;
        readonly timeoutSeconds?: number;
      };
  readonly metrics?: { readonly textfile?: string; readonly listen?: string };
  /** Whom the issuer tells of changes; docs/notifications.md explains it. */
  readonly notify?: {
    /** A day of the week in lower case, or `off`. */
    readonly digest?: string;
    readonly channels: Readonly<Record<string, ChannelDocument>>;
  };
  readonly certificates: readonly CertificateDocument[];
}
