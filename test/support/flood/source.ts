// A program of its own: asks for tokens that do not exist, from many addresses, as fast as it is told, and stays for the answer, or leaves
// at once: `source.ts PORT PER-SECOND SOURCES stays|leaves`.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const [port = 0, perSecond = 0, sources = 1] = process.argv.slice(2).map(Number);
const leaves = process.argv[5] === 'leaves';
/** The request has arrived by then. */
const LEAVES_AFTER_MS = 20;
const TICK_MS = 10;
let [sent, owed] = [0, 0];

/** A connection for each request, as from a program that waits for no answer before the next one. */
function ask(): void {
  sent += 1;
  const source = sent % sources;
  const localAddress = `127.9.${Math.floor(source / 250)}.${(source % 250) + 1}`;
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  socket.on('error', () => undefined);
  socket.setTimeout(10_000, () => socket.destroy());
  socket.resume();
  const path = `/.well-known/acme-challenge/${randomBytes(24).toString('base64url')}`;
  socket.write(`GET ${path} HTTP/1.1\r\nhost: www.example.com\r\nconnection: close\r\n\r\n`);
  if (leaves) socket.once('connect', () => setTimeout(() => socket.resetAndDestroy(), LEAVES_AFTER_MS));
}

let last = performance.now();
setInterval(() => {
  const now = performance.now();
  owed += ((now - last) / 1000) * perSecond;
  last = now;
  for (; owed >= 1; owed -= 1) ask();
}, TICK_MS);
process.on('SIGTERM', () => {
  process.stdout.write(`${sent}\n`);
  process.exit();
});
