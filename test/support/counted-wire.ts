// A wire in front of a server that counts the bytes of both directions: of TCP's payload, headers of HTTP included.
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './ports.ts';

export interface CountedWire {
  endpoint: string;
  bytes(): number;
  stop(): Promise<void>;
}

export async function countWire(target: string): Promise<CountedWire> {
  let bytes = 0;
  const port = await freePort();
  const sockets = new Set<Socket>();
  const { hostname, port: targetPort } = new URL(target);
  const forward = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on('data', (chunk) => {
      bytes += chunk.length;
    });
    from.pipe(to);
    from.once('close', () => sockets.delete(from));
    // The other end learns of it by the close.
    from.once('error', () => to.destroy());
  };
  const server = createServer((client) => {
    const upstream = connect(Number(targetPort), hostname);
    forward(client, upstream);
    forward(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { endpoint: `http://127.0.0.1:${port}`, bytes: () => bytes, stop };
}
