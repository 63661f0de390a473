/** Checks each configured address: it must hand out a certificate of the manifest that is on disk. */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { SECOND_MS } from '#common/time.ts';
import { parse } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Manifest } from '#contract/manifest.ts';
import type { AgentConfig } from '../config/config.ts';
import { proveServed } from '../deploy/handshake.ts';
import { desiredFiles } from '../desired/files.ts';
import { type Finding, finding, listed } from './finding.ts';
import type { HaproxyConfig } from './haproxy-config.ts';

const CONNECT_TIMEOUT_MS = 5 * SECOND_MS;

export async function examineHandshakes(
  config: AgentConfig,
  manifest: Manifest | undefined,
  haproxy: HaproxyConfig | undefined,
): Promise<Finding[]> {
  const { handshake } = config.haproxy;
  const binds = haproxy?.binds.map(({ address }) => address) ?? [];
  if (handshake.length === 0) {
    return [
      finding(
        'handshake-off',
        'the agent makes no TLS handshake to prove what HAProxy serves',
        `haproxy.handshake: [${binds.map(local).join(', ') || '127.0.0.1:443'}] in the agent's file`,
      ),
    ];
  }
  const prove = await chooseProof(config, manifest);
  const findings: Finding[] = [];
  for (const address of handshake) {
    const error = await prove(address).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    if (error !== undefined) findings.push(handshakeFailure(address, error, binds));
  }
  return findings;
}

async function chooseProof(
  config: AgentConfig,
  manifest: Manifest | undefined,
): Promise<(address: string) => Promise<unknown>> {
  for (const desired of manifest ? desiredFiles(config.fleet, manifest) : []) {
    const pem = await readFile(join(config.haproxy.certsDir, desired.file), 'utf8')
      .then(parse)
      .catch(() => undefined);
    if (pem?.leaf.serialNumber === desired.serial) return (address) => proveServed([address], desired, pem);
  }
  return proveListening;
}

/** Without a certificate to expect, something must at least listen there. */
function proveListening(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port),
      timeout: CONNECT_TIMEOUT_MS,
    });
    socket.once('connect', () => resolve(void socket.destroy()));
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
  });
}

function handshakeFailure(address: string, error: unknown, binds: readonly string[]): Finding {
  const hints: Record<string, string> = {
    ERR_HANDSHAKE_CERTIFICATE:
      'pemfleet-agent sync; then look for another file that holds the same name, or for an old HAProxy process: ss -ltnp',
    ERR_HANDSHAKE_REFUSED:
      'the bind on that address must name the directory as crt; then pemfleet-agent sync',
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

/** An address on which this host reaches the bind. */
const local = (address: string) => address.replace(/^(\*|0\.0\.0\.0)?:/, '127.0.0.1:');
