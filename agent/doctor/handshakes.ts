/** Checks each configured address: it must hand out a certificate of the manifest that is on disk. */
import { isIP } from 'node:net';
import { join } from 'node:path';
import { toHandshake } from '#common/haproxy/handshake-address.ts';
import { SECOND_MS } from '#common/time.ts';
import { parse } from '#contract/combined-pem.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { Agent } from '../agent.ts';
import type { AgentConfig } from '../config/config.ts';
import { readPlainFile } from '../deploy/disk.ts';
import { proveByDefault, proveServed, samplingAt, samplingOf } from '../deploy/handshake.ts';
import { type DesiredFile, desiredFiles } from '../desired/files.ts';
import { withOverlaps } from '../desired/overlap.ts';
import { HandshakeFailed } from '../errors.ts';
import { toHaproxy } from '../haproxy/path-map.ts';
import { viewHaproxy } from '../haproxy/view.ts';
import { type WantedChain, wantedChainOf } from '../proof/wanted-chain.ts';
import { localBindOf } from '../wire/connect.ts';
import { WireExaminer } from '../wire/examiner.ts';
import { isMismatch } from '../wire/tls-client.ts';
import { Unprovable } from '../wire/unprovable.ts';
import { type Finding, finding } from './finding.ts';
import { type HaproxyConfig, isAskable } from './haproxy-config.ts';
import { handshakeFailure, unprovenFinding } from './judge-handshakes.ts';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;

export async function examineHandshakes(
  agent: Pick<Agent, 'config' | 'runtime' | 'now'>,
  manifest: Manifest | undefined,
  haproxy: HaproxyConfig | undefined,
): Promise<Finding[]> {
  const { config } = agent;
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
  const desired = manifest ? withOverlaps(desiredFiles(config.fleet, manifest), agent.now()) : [];
  const examined = chooseFile(config, desired);
  const wires = examined && (await wireExaminerOf(agent, desired));
  const failures = new Map<string, unknown>();
  for (const address of handshake) {
    const error = await prove(address, examined, wires).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    if (error !== undefined) failures.set(address, error);
  }
  const isAnyProved = failures.size < handshake.length;
  const findings = [...failures].map(([address, error]) =>
    error instanceof Unprovable || (isMismatch(error) && isAnyProved)
      ? unprovenFinding(address, error)
      : handshakeFailure(address, error, binds),
  );
  return [...findings, ...(await examineAddresses(config, desired))];
}

interface ExaminedFile {
  desired: DesiredFile;
  wanted: WantedChain;
}

/** As the agent proves it in a pass: what another certificate is doing there, the failure says. */
async function prove(
  address: string,
  examined: ExaminedFile | undefined,
  wires: WireExaminer | undefined,
): Promise<void> {
  if (examined === undefined) return proveListening(address);
  const { desired, wanted } = examined;
  try {
    await proveServed([address], desired, wanted);
    await wires?.confirm(desired, samplingAt(address, desired, wanted));
  } catch (error) {
    const isNamed = wires !== undefined && error instanceof HandshakeFailed;
    throw isNamed ? await wires.examine(error, desired, samplingOf(error, desired, wanted)) : error;
  }
}

async function wireExaminerOf(
  { config, runtime, now }: Pick<Agent, 'config' | 'runtime' | 'now'>,
  desired: readonly DesiredFile[],
): Promise<WireExaminer> {
  const files = new Map(desired.map(({ file }) => [file, []]));
  // Without it, HAProxy's own list is unknown, and its sockets are all the same.
  const haproxy = await viewHaproxy(runtime, config.haproxy, files).catch(() => undefined);
  const { certsDir } = config.haproxy;
  return new WireExaminer({ runtime, haproxy, certsDir, known: new Map(), isDistrusted: () => true, now });
}

/** @returns undefined: none is on disk as it is published */
function chooseFile(config: AgentConfig, files: readonly DesiredFile[]): ExaminedFile | undefined {
  for (const desired of files) {
    // One for IP addresses alone needs a bind of its own.
    if (desired.identifiers.every((identifier) => isIP(identifier) !== 0)) continue;
    const wanted = readPublished(config, desired);
    if (wanted !== undefined) return { desired, wanted };
  }
  return undefined;
}

const MAX_ADDRESSED = 20;

/** Clients that ask for an IP address send no name: they get the default certificate of a bind, if it has one. */
async function examineAddresses(config: AgentConfig, files: readonly DesiredFile[]): Promise<Finding[]> {
  const addressed = files.filter(({ identifiers }) => identifiers.some((one) => isIP(one) !== 0));
  const findings: Finding[] = [];
  for (const desired of addressed.slice(0, MAX_ADDRESSED)) {
    const wanted = readPublished(config, desired);
    const isServed =
      wanted === undefined ||
      (await proveByDefault(config.haproxy.handshake, desired, wanted).then(
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
function readPublished({ haproxy }: AgentConfig, desired: DesiredFile): WantedChain | undefined {
  try {
    const pem = parse(readPlainFile(join(haproxy.certsDir, desired.file)).toString('utf8'));
    return pem.leaf.serialNumber === desired.serial ? wantedChainOf(pem) : undefined;
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
