/**
 * Success is what HAProxy shows, not what it says: its description of the file, then the certificate that a TLS client
 * gets from each bind (which also shows overlapping names, second copies and old workers).
 */
import type { X509Certificate } from 'node:crypto';
import type { DesiredFile } from '../desired/files.ts';
import { servedNames } from '../desired/overlap.ts';
import { HandshakeFailed, type HandshakeTarget, RuntimeCommandFailed } from '../errors.ts';
import type { CertificateStatus } from '../haproxy/answers.ts';
import { isDetached, type RuntimeFile } from '../haproxy/view.ts';
import { namesInRotation } from '../proof/rotation.ts';
import type { WantedChain } from '../proof/wanted-chain.ts';
import type { ClientKind } from '../wire/client-kind.ts';
import type { Sampling } from '../wire/samples.ts';
import { chainFrom } from '../wire/tls-client.ts';
import { Unprovable } from '../wire/unprovable.ts';

/** A label that no certificate names, to ask for a wildcard. */
const PROOF_LABEL = 'pemfleet-proof';

/**
 * @param runtimeFile as it was before the commit
 * @param shown HAProxy's description, read after the commit
 * @throws RuntimeCommandFailed `ERR_RUNTIME_READ_BACK`
 */
export function readBack(
  runtimeFile: RuntimeFile,
  shown: CertificateStatus | undefined,
  wanted: WantedChain,
): CertificateStatus {
  const { filename } = runtimeFile;
  // What HAProxy's answer lacks (too many names), the handshake proves.
  const { serial, sha1Fingerprint = wanted.fingerprint, chainLength = wanted.digests.length } = shown ?? {};
  const isSame = sha1Fingerprint === wanted.fingerprint && chainLength === wanted.digests.length;
  const isInUse = shown?.status === 'Used' || isDetached(runtimeFile);
  if (shown && isInUse && serial === wanted.serial && isSame) return shown;
  const saw = shown ? `${shown.status} ${sha1Fingerprint}, ${chainLength} certificates` : 'nothing';
  const detail = `wanted Used ${wanted.fingerprint}, ${wanted.digests.length} certificates, saw ${saw}`;
  throw new RuntimeCommandFailed('ERR_RUNTIME_READ_BACK', { verb: 'show ssl cert', filename }, detail);
}

/** What decides by which name and which kind of key HAProxy hands it out. */
type Proved = Pick<
  DesiredFile,
  'keyType' | 'isPair' | 'listing' | 'identifiers' | 'names' | 'shadows' | 'precedences' | 'contested'
> & {
  /** Which of its names are asked for this time (proof/rotation.ts). Absent: the first. */
  turn?: number;
};

/**
 * Makes the handshakes that prove the certificate with each address. A certificate for IP addresses alone is proved
 * without a name, because SNI carries no IP address (RFC 6066 §3); one bind that hands it out so is enough for it.
 * @returns the addresses that handed out this certificate, without those that no handshake of this host can prove
 * @throws HandshakeFailed
 * @throws Unprovable none of the addresses can be asked for it
 */
export async function proveServed(
  addresses: readonly string[],
  desired: Proved,
  wanted: WantedChain,
): Promise<string[]> {
  const targets = targetsOf(addresses, desired, wanted);
  if (targets === undefined) return proveByDefault(addresses, desired, wanted);
  const served: string[] = [];
  const unprovable: Unprovable[] = [];
  for (const [address, atAddress] of targets) {
    try {
      for (const target of atAddress) check(await chainFrom(target, clientFor(desired)), wanted, target);
      served.push(address);
    } catch (error) {
      if (!(error instanceof Unprovable)) throw error;
      unprovable.push(error);
    }
  }
  const [reason] = unprovable;
  if (served.length === 0 && reason !== undefined) throw reason;
  return served;
}

/** @returns by address; `undefined`: its clients send no name. @throws Unprovable */
function targetsOf(
  addresses: readonly string[],
  desired: Proved,
  wanted: WantedChain,
): [address: string, targets: HandshakeTarget[]][] | undefined {
  if (isForAddresses(wanted, desired)) return undefined;
  const servernames = servernamesOf(wanted, desired);
  const [first] = addresses;
  if (servernames.length === 0 && first !== undefined) {
    const detail =
      'no client can ask for it by a name (SNI) of its own: other certificates or filters have them all';
    throw new Unprovable('no-name', first, detail);
  }
  return addresses.map((address) => [address, servernames.map((servername) => ({ address, servername }))]);
}

/** What a client gets that sends no name, such as one that asks for an IP address. @throws HandshakeFailed */
export async function proveByDefault(
  addresses: readonly string[],
  desired: Proved,
  wanted: WantedChain,
): Promise<string[]> {
  const served: string[] = [];
  const failures: unknown[] = [];
  for (const address of addresses) {
    const target = { address, servername: undefined };
    try {
      check(await chainFrom(target, clientFor(desired)), wanted, target);
      served.push(address);
    } catch (error) {
      failures.push(error);
    }
  }
  if (served.length > 0 || addresses.length === 0) return served;
  // Where another bind has failed, that is what there is to say.
  const failure = failures.find((one) => !(one instanceof Unprovable)) ?? failures[0];
  if (!(failure instanceof HandshakeFailed) || !DEFAULT_CODES.includes(failure.code)) throw failure;
  const { code, address, servername, alert, shown } = failure;
  const saw =
    code === 'ERR_HANDSHAKE_CERTIFICATE' ? 'saw the default certificate of the bind' : 'saw no certificate';
  const detail = `${saw}: clients that ask for an IP address send no name; name the file first on a bind without strict-sni (crt FILE, or default-crt from HAProxy 3.0 on)`;
  throw new HandshakeFailed(code, { address, servername }, detail, { cause: failure, alert, shown });
}

const DEFAULT_CODES: readonly string[] = ['ERR_HANDSHAKE_REFUSED', 'ERR_HANDSHAKE_CERTIFICATE'];

/** Whether all of its names are IP addresses, so that no name can be asked for. */
export function isForAddresses(wanted: WantedChain, { listing }: Proved): boolean {
  return (listing?.sniFilters ?? []).length === 0 && wanted.isForAddresses;
}

/**
 * Names to ask for: one for each set of namesakes that it stands before, and of those for which HAProxy hands out no other
 * certificate those whose turn it is: at first an ordered one before others, a plain one before a wildcard.
 */
function servernamesOf(wanted: WantedChain, desired: Proved): string[] {
  const { shadows = [], precedences = [], contested = [] } = desired;
  const shadowed = new Set(shadows.map(({ name }) => name));
  const ordered = servedNames({ ...desired, names: undefined });
  const names = servedNames({ ...desired, names: wanted.names }).filter((name) => !shadowed.has(name));
  const rank = (name: string) => (ordered.includes(name) ? 0 : 2) + (name.startsWith('*.') ? 1 : 0);
  const own = [...names].sort((a, b) => rank(a) - rank(b));
  const { turn = 0 } = desired;
  const ownNames =
    precedences.length > 0 && turn === 0 ? precedences : [...precedences, ...namesInRotation(own, turn)];
  return [...new Set([...ownNames, ...contested])].map((name) => name.replace(/^\*\./, `${PROOF_LABEL}.`));
}

/** HAProxy hands out the half of an RSA and ECDSA pair that the client's signature algorithms ask for. */
function clientFor({ isPair, keyType }: Proved): ClientKind {
  if (!isPair) return 'any';
  return keyType.startsWith('rsa') ? 'rsa' : 'ecdsa';
}

/** To ask an address for it once more, as often as is needed to tell "always" from "sometimes". */
export function samplingAt(address: string, desired: Proved, wanted: WantedChain): Sampling {
  return samplingOf({ address, servername: servernamesOf(wanted, desired)[0] }, desired, wanted);
}

export function samplingOf(
  { address, servername }: HandshakeTarget,
  desired: Proved,
  wanted: WantedChain,
): Sampling {
  const target = { address, servername };
  return { target, kind: clientFor(desired), check: (chain) => check(chain, wanted, target) };
}

function check(chain: readonly X509Certificate[], wanted: WantedChain, target: HandshakeTarget): void {
  const [shown] = chain;
  if (shown?.fingerprint.replaceAll(':', '') !== wanted.fingerprint) {
    const detail = `wanted serial ${wanted.serial}, saw ${shown?.serialNumber}`;
    throw new HandshakeFailed('ERR_HANDSHAKE_CERTIFICATE', target, detail, { shown });
  }
  const wrong = chain.findIndex((one, index) => sha256Of(one) !== wanted.digests[index]);
  const { length } = wanted.digests;
  if (wrong === -1 && chain.length === length) return;
  const detail =
    chain.length === length
      ? `wanted ${wanted.digests[wrong]} (SHA-256) as certificate ${wrong + 1} of the chain, saw ${sha256Of(chain[wrong])}`
      : `wanted a chain of ${length}, saw ${chain.length}`;
  throw new HandshakeFailed('ERR_HANDSHAKE_CHAIN', target, detail, { shown });
}

function sha256Of(certificate: X509Certificate | undefined): string | undefined {
  return certificate?.fingerprint256.replaceAll(':', '');
}
