// Free loopback ports, never the same twice: HAProxy binds with SO_REUSEPORT, so two of them on one port start
// without a word and the kernel spreads the connections over both.
import { randomInt } from 'node:crypto';
import { connect, createServer, type ListenOptions } from 'node:net';

// below Linux's ephemeral range (32768…), out of which every outgoing connection takes its port
const [firstPort, endPort] = [12_000, 32_000];

/** A port on 127.0.0.1 without a listener, which no other test process gets while this one lives. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const port = randomInt(firstPort, endPort);
    if ((await claim(port)) && (await isFree(port))) return port;
  }
  throw new Error(`found no free port from ${firstPort} to ${endPort}`);
}

/** An abstract socket as a lock: the kernel lets go of it when this process ends, however it ends. */
const claim = (port: number) => listens({ path: `\0pemfleet-port-${port}` }, 'keep');

const isFree = (port: number) => listens({ host: '127.0.0.1', port, exclusive: true }, 'close');

function listens(options: ListenOptions, then: 'keep' | 'close'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().unref();
    server.once('error', () => resolve(false));
    server.listen(options, () => (then === 'keep' ? resolve(true) : server.close(() => resolve(true))));
  });
}

/** Whether host:port accepts connections; a probe for parts. */
export function canConnect(address: string): Promise<boolean> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host: host as string, port: Number(port) });
    const settle = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}
