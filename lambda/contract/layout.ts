/**
 * Where everything lies in the bucket, and what can be a name. No other file joins strings to a key: three trust
 * zones (`issuer/`, `published/<fleet>/`, `status/<fleet>/`) stand or fall with this one.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';

const NAME = /^[a-z0-9_][a-z0-9._-]*$/;
const rule = 'must match [a-z0-9_][a-z0-9._-]* (it becomes a file name and a key)';

/** Names are keys of JavaScript objects too: `constructor` and `__proto__` would find what is not ours. */
const isOwnWord = (value: string) => !(value in {});
const nameOf = (maxLength: number) =>
  z.string().max(maxLength).regex(NAME, rule).refine(isOwnWord, 'is a word of JavaScript; take another');

/** Our stable handle of a certificate and its file stem; no path can be made from it. */
export const certificateName = nameOf(200).brand('CertificateName');
export const fleetName = nameOf(63).brand('FleetName');
/** Gives a file name with `.json`: 255 bytes at most. */
export const hostName = nameOf(250).brand('HostName');
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');

export type CertificateName = z.infer<typeof certificateName>;
export type FleetName = z.infer<typeof fleetName>;
export type HostName = z.infer<typeof hostName>;

/**
 * Tag of an object with the name of the host that writes it (`s3://…?writer=<host>`). An IAM policy cannot cut the
 * instance id out of `aws:userid`, but it can compare key and `aws:userid` with what the request claims: docs/bucket.md.
 */
export const WRITER_TAG = 'pemfleet-writer';

/** Tag of a host (EC2 instance or managed node), with {@link fleetTagValue}. The issuer's role may send commands to no others. */
export const FLEET_TAG = 'pemfleet:fleet';

/**
 * Tags are the account's: two deployments that have a fleet of the same name call their own hosts only if the value holds the deployment.
 * @param deployment its name; undefined: there is one in the account, as before deployments had names
 */
export function fleetTagValue(fleet: string, deployment: string | undefined): string {
  return deployment ? `${deployment}/${fleet}` : fleet;
}

/** RFC 8555 §8.1: a token holds base64url characters only; the length bounds are ours. */
export const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;

/**
 * The one spelling of a URL: scheme and host in lower case, no default port, no fragment (RFC 3986 §6.2.2, §6.2.3). Configuration and records
 * are read through it, so that inside two directory URLs are one CA exactly if their strings are equal.
 */
export function canonicalUrl(url: string): string {
  if (!URL.canParse(url)) return url;
  const parsed = new URL(url);
  parsed.hash = '';
  return parsed.href.replaceAll(/%[0-9a-f]{2}/gi, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
  });
}

/** Of a CA's directory, in a stored document. */
export const directoryUrl = z.url().overwrite(canonicalUrl);

export const layout = {
  /** One ACME account per directory URL; holds its private key. */
  account: (directoryUrl: string) => `issuer/account/${directoryId(directoryUrl)}.json`,
  orders: 'issuer/order/',
  order: (name: CertificateName) => `issuer/order/${name}.json`,
  renewalInfo: 'issuer/renewal-info.json',
  caState: 'issuer/ca-state.json',
  /** Which certificates an operator wants replaced before they are due. */
  replacements: 'issuer/replace.json',
  /** What an operator wants revoked, once hosts have proved what takes its place. */
  revocations: 'issuer/revocation/',
  revocation: (name: CertificateName) => `issuer/revocation/${name}.json`,
  /** What operators hold: certificates that are not renewed, fleets to which nothing new is published. */
  holds: 'issuer/hold/',
  certificateHold: (name: CertificateName) => `issuer/hold/certificate/${name}.json`,
  fleetHold: (fleet: FleetName) => `issuer/hold/fleet/${fleet}.json`,
  /** Summaries of the hosts' statuses, and the commands to hosts that are not over yet. */
  hostSummaries: 'issuer/host-book.json',
  /** What people look at (statusPage); and what it said when it was written last. */
  statusPage: 'issuer/status-page.html',
  statusPageRecord: 'issuer/status-page.json',
  /** What people were sent of each level (CertificatesFailing …). */
  announcedLevels: 'issuer/levels.json',
  /** What people were told of single certificates and hosts, and what is still to be sent to them. */
  notified: 'issuer/notified.json',
  /** Names at which clients get something else (lambda/probe). */
  wrongNames: 'issuer/wrong-names.json',
  /** Exists for a moment to try whether the store keeps conditional writes; holds no secret. */
  probe: (id: string) => `issuer/probe/${id}`,
  /** Which issuers work on the bucket, and with which configuration. */
  writers: 'issuer/writers.json',
  /** Who changed what, when and why: lines, each with the hash of the one before. */
  auditTrail: 'issuer/audit/',
  /** The lines in their order, from number 1. */
  auditLines: (number: number) => `issuer/audit/${String(number).padStart(8, '0')}.jsonl`,
  /** Where the lines end. */
  auditHead: 'issuer/audit/head.json',
  challenge: (token: string) => `challenge/${token}`,
  /** Lineage and private signing key of the issuer. */
  signingKey: 'issuer/signing-key.json',
  /** The last versions of a certificate: hosts may read all of `published/`, and have no use for them. */
  history: (fleet: FleetName, name: CertificateName) => `issuer/history/${fleet}/${name}.json`,
  /** Which hosts have served which versions of a certificate, from when to when. */
  served: (fleet: FleetName, name: CertificateName) => `issuer/served/${fleet}/${name}.json`,
  /** What that is known of, in all fleets. */
  allServed: 'issuer/served/',
  /** Hosts of the fleet whose status is gone, with the time of their last report. */
  departed: (fleet: FleetName) => `issuer/departed/${fleet}.json`,
  /** Since when objects of the fleet are named by no manifest. */
  garbage: (fleet: FleetName) => `issuer/garbage/${fleet}.json`,
  /** What the shards of the fleet's manifest say, in one object. */
  summary: (fleet: FleetName) => `issuer/summary/${fleet}.json`,
  /** All that the fleet's hosts may read. */
  published: (fleet: FleetName) => `published/${fleet}/`,
  /** A folder for each fleet. */
  publishedFleets: 'published/',
  /** What the issuer ended in each fleet, so that a restored `published/` does not bring it back. */
  allTombstones: 'issuer/tombstones/',
  tombstones: (fleet: FleetName) => `issuer/tombstones/${fleet}.json`,
  /** Version 2: the signed root of the fleet's manifest. */
  root: (fleet: FleetName) => `published/${fleet}/root.json`,
  /** A part of a large manifest (shard/node.ts). Immutable: the key is the SHA-256 of the content. */
  shard: (fleet: FleetName, sha256: string) => `published/${fleet}/shard/${sha256}.json`,
  /** Statements in which one signing key hands over to the next. */
  keys: (fleet: FleetName) => `published/${fleet}/keys.json`,
  /** Version 1, for agents that do not read roots. */
  manifest: (fleet: FleetName) => `published/${fleet}/manifest.json`,
  /** PEMs and OCSP responses of all certificates. */
  fleetPems: (fleet: FleetName) => `published/${fleet}/pem/`,
  pems: (fleet: FleetName, name: CertificateName) => `published/${fleet}/pem/${name}/`,
  /** Immutable: the key is the SHA-256 of the content. */
  pem: (fleet: FleetName, name: CertificateName, sha256: string) =>
    `published/${fleet}/pem/${name}/${sha256}.pem`,
  /** OCSP response to staple to a PEM. Immutable: a refreshed one has another key. */
  ocsp: (fleet: FleetName, name: CertificateName, pemSha256: string, sha256: string) =>
    `published/${fleet}/pem/${name}/${pemSha256}.${sha256}.ocsp`,
  /** Which release of the agent hosts install, and the tarballs; hosts may read all of it. */
  agentReleases: 'agent/',
  agentRelease: 'agent/release.json',
  /** Immutable: the key is the SHA-256 of the content. */
  agentTarball: (sha256: string) => `agent/${sha256}.tar.gz`,
  statusFleets: 'status/',
  statuses: (fleet: FleetName) => `status/${fleet}/`,
  status: (fleet: FleetName, host: HostName) => `status/${fleet}/${host}.json`,
} as const;

/** Answers to challenges are for everybody (RFC 8555 §8.3): all else is for those who need it. */
export function isChallenge(key: string): boolean {
  return key.startsWith(layout.challenge(''));
}

/** What a document is about: its key below `prefix`, without `.json`. Whether that is a name of ours is not said. */
export function documentName(prefix: string, key: string): string {
  return key.slice(prefix.length).replace(/\.json$/, '');
}

/** @param folders below `layout.publishedFleets`: whoever may write there makes up others. @returns those that can be fleets */
export function fleetsAmong(folders: readonly string[]): FleetName[] {
  return folders.flatMap((folder) => fleetName.safeParse(folder).data ?? []);
}

/**
 * The file of a certificate in HAProxy's directory. A pair of key types takes the suffixes that HAProxy
 * reads as one certificate with two keys (configuration manual, "crt" keyword: `.rsa`, `.ecdsa`).
 */
export function pemFileName(name: CertificateName, keyType: string, pemCount: number): string {
  if (pemCount === 1) return `${name}.pem`;
  return `${name}.pem.${keyType.startsWith('rsa') ? 'rsa' : 'ecdsa'}`;
}

/** Readable and unambiguous: host of the directory and eight digits of the URL's digest. */
function directoryId(directoryUrl: string): string {
  const digest = createHash('sha256').update(directoryUrl).digest('hex').slice(0, 8);
  const host = new URL(directoryUrl).host.replaceAll(/[^a-z0-9.-]/g, '-');
  return `${host}-${digest}`;
}
