// Visitors: new TLS connections at a steady rate, and clients that keep theirs. What went wrong is counted, never hidden.
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';

export interface LoadOptions {
  port: number;
  /** Asked for in turn. */
  servernames: readonly string[];
  /** New connections, each with a full handshake and one request. */
  newPerSecond: number;
  /** Clients that keep their connection and ask ten times a second. */
  keepAlive: number;
}

export interface LoadCount {
  /** Of each new connection, from the first packet to its answer. */
  latenciesMs: number[];
  /** Requests without a right answer, on new and on kept connections. */
  failed: string[];
  /** Requests answered on kept connections. */
  kept: number;
  /** Kept connections that were closed under the client. */
  closed: number;
}

export interface TlsLoad {
  /** What has happened since the last time. */
  take(): LoadCount;
  /** Resolves when the last answer is there. */
  stop(): Promise<LoadCount>;
}

const answerDeadlineMs = 30_000;
const keptEveryMs = 100;
const nothing = (): LoadCount => ({ latenciesMs: [], failed: [], kept: 0, closed: 0 });

/** Resolves when all kept connections stand. */
export async function startTlsLoad(options: LoadOptions): Promise<TlsLoad> {
  const scene: Scene = { options, count: nothing(), isOver: false, asked: 0 };
  const keepers: Keeper[] = [];
  for (let index = 0; index < options.keepAlive; index += 1) keepers.push(await openKept(scene));
  const work = [visit(scene), ...keepers.map((keeper) => keep(keeper, scene))];
  const take = () => {
    const { count } = scene;
    scene.count = nothing();
    return count;
  };
  return {
    take,
    stop: async () => {
      scene.isOver = true;
      await Promise.all(work);
      return take();
    },
  };
}

interface Scene {
  options: LoadOptions;
  count: LoadCount;
  isOver: boolean;
  asked: number;
}

async function visit(scene: Scene): Promise<void> {
  const everyMs = 1000 / scene.options.newPerSecond;
  const open = new Set<Promise<void>>();
  for (let nextAt = performance.now(); !scene.isOver; ) {
    const visitor = visitOnce(scene).finally(() => open.delete(visitor));
    open.add(visitor);
    // What a busy machine has kept us from is not made up for: a burst of visitors is another thing to measure.
    nextAt = Math.max(nextAt + everyMs, performance.now());
    await sleep(nextAt - performance.now());
  }
  await Promise.all(open);
}

async function visitOnce(scene: Scene): Promise<void> {
  const start = performance.now();
  try {
    const socket = await openTls(scene);
    await ask(socket, 'close');
    scene.count.latenciesMs.push(performance.now() - start);
    socket.destroy();
  } catch (error) {
    scene.count.failed.push(`a new connection: ${(error as Error).message}`);
  }
}

interface Keeper {
  socket: TLSSocket;
  isClosed: boolean;
}

async function openKept(scene: Scene): Promise<Keeper> {
  const keeper = { socket: await openTls(scene), isClosed: false };
  keeper.socket.once('close', () => {
    keeper.isClosed = true;
    if (!scene.isOver) scene.count.closed += 1;
  });
  return keeper;
}

/** As a browser does: a client that finds its connection closed opens the next. */
async function keep(first: Keeper, scene: Scene): Promise<void> {
  let keeper = first;
  await sleep(keptEveryMs * Math.random());
  while (!scene.isOver) {
    try {
      if (keeper.isClosed) keeper = await openKept(scene);
      await ask(keeper.socket, 'keep-alive');
      scene.count.kept += 1;
    } catch (error) {
      scene.count.failed.push(`a kept connection: ${(error as Error).message}`);
      keeper.socket.destroy();
    }
    await sleep(keptEveryMs);
  }
  keeper.socket.destroy();
}

function openTls(scene: Scene): Promise<TLSSocket> {
  const { port, servernames } = scene.options;
  const servername = servernames[scene.asked % servernames.length] ?? '';
  scene.asked += 1;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername, ca: [], rejectUnauthorized: false });
    socket.setTimeout(answerDeadlineMs, () => socket.destroy(new Error('no answer in time')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before the handshake')));
    socket.once('secureConnect', () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve(socket);
    });
  });
}

function ask(socket: TLSSocket, connection: 'close' | 'keep-alive'): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const end = (settle: () => void) => {
      socket.off('data', read).off('close', lost);
      settle();
    };
    const lost = () => end(() => reject(new Error('closed before the answer')));
    const read = (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      const body = answer.indexOf('\r\n\r\n');
      const length = Number(/^content-length: (\d+)/im.exec(answer)?.[1]);
      if (body === -1 || answer.length < body + 4 + length) return;
      const isRight = answer.startsWith('HTTP/1.1 200');
      end(() => (isRight ? resolve() : reject(new Error(`answered ${answer.slice(0, 12)}`))));
    };
    if (socket.destroyed || !socket.writable) reject(new Error('closed before the request'));
    socket.on('data', read).once('close', lost);
    socket.write(`GET / HTTP/1.1\r\nHost: load.test\r\nConnection: ${connection}\r\n\r\n`);
  });
}
