// Passes connections on, byte by byte, between an address and a Unix socket: a socket file reaches across network
// namespaces, where no address does.
import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Socket } from 'node:net';

/** @returns ends it, with all of its connections */
export async function startBridge(from: ListenOptions, to: NetConnectOpts): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      // A side that breaks breaks the other, as on one connection.
      socket.on('error', () => other.destroy());
      socket.once('close', () => sockets.delete(socket));
      socket.pipe(other);
    }
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroySoon());
  });
  server.listen(from);
  await once(server, 'listening');
  return async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
}
