/** Checks each configured address: it must hand out a certificate of the manifest that is on disk. */
import { isIP } from 'node:net';
import { join } from 'node:path';
import { SECOND_MS } from '#common/time.ts';
import { type CombinedPem, parse } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { AgentConfig } from '../config/config.ts';
import { readPlainFile } from '../deploy/disk.ts';
import { proveByDefault, proveServed } from '../deploy/handshake.ts';
import { type DesiredFile, desiredFiles } from '../desired/files.ts';
import { withOverlaps } from '../desired/overlap.ts';
import { toHaproxy } from '../haproxy/path-map.ts';
import { localBindOf } from '../wire/connect.ts';
import { type Finding, finding, listed } from './finding.ts';
import { type HaproxyConfig, isAskable, toHandshake } from './haproxy-config.ts';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;

export async function examineHandshakes(
  config: AgentConfig,
  manifest: Manifest | undefined,
  haproxy: HaproxyConfig | undefined,
  now: Date,
): Promise<Finding[]> {
  const { handshake } = config.haproxy;
  const askable = haproxy?.binds.filter(isAskable) ?? [];
  const binds = askable.map(({ address }) => address);
  const proposed = askable.map(toHandshake);
  if (handshake.length === 0) {
    return [
      finding(
        'handshake-off',
        'the agent makes no TLS handshake to prove what HAProxy serves',
        `haproxy.handshake: [${proposed.join(', ') || '127.0.0.1:443'}] in the agent's file`,
      ),
    ];
  }
  const desired = manifest ? withOverlaps(desiredFiles(config.fleet, manifest), now) : [];
  const prove = await chooseProof(config, desired);
  const findings: Finding[] = [];
  for (const address of handshake) {
    const error = await prove(address).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    if (error !== undefined) findings.push(handshakeFailure(address, error, binds));
  }
  return [...findings, ...(await examineAddresses(config, desired))];
}

async function chooseProof(
  config: AgentConfig,
  files: readonly DesiredFile[],
): Promise<(address: string) => Promise<unknown>> {
  for (const desired of files) {
    // One for IP addresses alone needs a bind of its own.
    if (desired.identifiers.every((identifier) => isIP(identifier) !== 0)) continue;
    const pem = readPublished(config, desired);
    if (pem !== undefined) return (address) => proveServed([address], desired, pem);
  }
  return proveListening;
}

const MAX_ADDRESSED = 20;

/** Clients that ask for an IP address send no name: they get the default certificate of a bind, if it has one. */
async function examineAddresses(config: AgentConfig, files: readonly DesiredFile[]): Promise<Finding[]> {
  const addressed = files.filter(({ identifiers }) => identifiers.some((one) => isIP(one) !== 0));
  const findings: Finding[] = [];
  for (const desired of addressed.slice(0, MAX_ADDRESSED)) {
    const pem = readPublished(config, desired);
    const isServed =
      pem === undefined ||
      (await proveByDefault(config.haproxy.handshake, desired, pem).then(
        () => true,
        () => false,
      ));
    if (isServed) continue;
    const path = join(toHaproxy(config.haproxy.certsDir, config.haproxy.paths), desired.file);
    const seen = `clients of ${desired.identifiers.filter((one) => isIP(one) !== 0).join(', ')} send no name (SNI), and no bind of haproxy.handshake hands out ${desired.file} to them`;
    const fix = `a bind on that address without strict-sni, with the file first: bind ADDRESS:443 ssl crt ${path}; or, from HAProxy 3.0 on, default-crt ${path}; then name the bind in haproxy.handshake`;
    findings.push(finding('address-not-served', seen, fix));
  }
  return findings;
}

/** @returns undefined if the published certificate is not on disk */
function readPublished({ haproxy }: AgentConfig, desired: DesiredFile): CombinedPem | undefined {
  try {
    const pem = parse(readPlainFile(join(haproxy.certsDir, desired.file)).toString('utf8'));
    return pem.leaf.serialNumber === desired.serial ? pem : undefined;
  } catch {
    return undefined;
  }
}

/** Without a certificate to expect, something must at least listen there. */
async function proveListening(address: string): Promise<void> {
  const bind = await localBindOf({ address, servername: undefined });
  const socket = bind.open();
  await new Promise<void>((resolve, reject) => {
    socket.setTimeout(CONNECT_TIMEOUT_MS);
    socket.once('connect', () => resolve(void socket.destroy()));
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
  });
}

function handshakeFailure(address: string, error: unknown, binds: readonly string[]): Finding {
  const { alert } = error as { alert?: number };
  const hints: Record<string, string> = {
    ERR_HANDSHAKE_CERTIFICATE:
      'pemfleet-agent sync; then look for another file that holds the same name, or for an old HAProxy process: ss -ltnp',
    ERR_HANDSHAKE_REFUSED: HINTS_BY_ALERT[alert ?? 0] ?? NO_TLS,
    ERR_HANDSHAKE_CHAIN: 'pemfleet-agent sync',
  };
  const listeners = binds.length > 0 ? `HAProxy binds ${listed(binds)}` : 'ss -ltnp shows what listens';
  const fix =
    hints[codeOf(error)] ??
    `haproxy.handshake in the agent's file must name HAProxy's TLS binds: ${listeners}`;
  return finding(
    'handshake-failed',
    codeOf(error).startsWith('ERR_') ? messageOf(error) : `${address}: ${codeOf(error)}`,
    fix,
  );
}

const NO_TLS =
  'haproxy.handshake must name binds with "ssl", those with accept-proxy as proxy@HOST:PORT; HAProxy\'s log says more';
const NOT_NAMED = 'the bind on that address must name the directory as crt; then pemfleet-agent sync';
const HINTS_BY_ALERT: Readonly<Record<number, string>> = {
  40: "give the bind ciphers, TLS versions and curves for the certificate's kind of key, or order the other kind (keyType); HAProxy's log says more",
  70: 'ssl-min-ver and ssl-max-ver of the bind must allow TLS 1.2 or 1.3',
  112: NOT_NAMED,
};
