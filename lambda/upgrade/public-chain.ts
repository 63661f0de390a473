/**
 * Whether browsers would trust a chain: OpenSSL itself says so, in a TLS handshake in memory. It knows what a comparison of signatures does
 * not: who may issue, path lengths, name constraints, purposes (RFC 5280 §6).
 */
import { Duplex } from 'node:stream';
import { connect, createSecureContext, rootCertificates, type SecureContext, TLSSocket } from 'node:tls';
import { messageOf } from '#contract/errors.ts';

const TIMEOUT_MS = 10_000;
/** Made once: OpenSSL takes longer to read Mozilla's roots than for ten handshakes. */
const contexts = new WeakMap<readonly string[], SecureContext>();

/**
 * @param text a combined PEM
 * @param roots PEM; default: those that Node.js has of Mozilla
 * @returns undefined if the chain ends at one of them, else why not
 */
export async function publicChainProblem(
  text: string,
  roots: readonly string[] = rootCertificates,
): Promise<string | undefined> {
  const [client, server] = pipePair();
  const serving = new TLSSocket(server, { isServer: true, cert: text, key: text });
  // Its side of a refused handshake is no news.
  serving.on('error', () => undefined);
  // Names are compared elsewhere, with what is configured.
  const checkServerIdentity = () => undefined;
  const secureContext = contextOf(roots);
  const asking = connect({ socket: client, secureContext, checkServerIdentity, timeout: TIMEOUT_MS });
  try {
    await new Promise<void>((resolve, reject) => {
      asking.once('secureConnect', resolve).once('error', reject);
      asking.once('timeout', () => reject(new Error('the handshake takes too long')));
    });
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    asking.destroy();
    serving.destroy();
  }
}

function contextOf(roots: readonly string[]): SecureContext {
  const context = contexts.get(roots) ?? createSecureContext({ ca: [...roots] });
  contexts.set(roots, context);
  return context;
}

/** What is written to one is read from the other. */
function pipePair(): [Duplex, Duplex] {
  const sides: Duplex[] = [];
  const side = (other: () => Duplex | undefined) =>
    new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, done) => {
        other()?.push(chunk);
        done();
      },
      final: (done) => {
        other()?.push(null);
        done();
      },
    });
  const [a, b] = [side(() => sides[1]), side(() => sides[0])];
  sides.push(a, b);
  return [a, b];
}
