// The name servers of Route 53: UDP and TCP on one port, answering from what is INSYNC. Pebble asks them.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import packet, { type Answer, type DecodedPacket, type Packet } from 'dns-packet';
import { freePort } from '../../support/ports.ts';
import type { Zones } from '../route53/zones.ts';
import { answerQuestion, type ReturnCode } from './dns-zone.ts';

export interface DnsQuery {
  at: Date;
  name: string;
  type: string;
  transport: 'udp' | 'tcp';
  code: ReturnCode;
  /** how many records; 0 also when the answer was cut off for TCP */
  answers: number;
  isTruncated: boolean;
}

export interface NameServer {
  /** host:port, for UDP and TCP */
  address: string;
  queries: DnsQuery[];
  stop(): Promise<void>;
}

const authoritative = 0x400;
const truncated = 0x200;
/** RFC 6891: this server takes and gives 1232 bytes by UDP. */
const edns: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};
const codes: Record<ReturnCode, number> = { NOERROR: 0, NXDOMAIN: 3, REFUSED: 5 };
/** without EDNS (RFC 1035 §4.2.1) */
const smallUdpBytes = 512;

export async function startNameServer(zones: Zones, now: () => Date): Promise<NameServer> {
  const port = await freePort();
  const queries: DnsQuery[] = [];
  const answer = (message: DecodedPacket, transport: DnsQuery['transport'], maxBytes: number) => {
    const { response, query } = respond(zones, message, maxBytes);
    queries.push({ ...query, at: now(), transport });
    return response;
  };
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) => {
    const message = decode(bytes);
    if (message) {
      udp.send(packet.encode(answer(message, 'udp', udpBytesOf(message))), from.port, from.address);
    }
  });
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => undefined);
    readMessages(socket, (message) => {
      socket.write(packet.streamEncode(answer(message, 'tcp', 65_535)));
    });
  });
  await new Promise<void>((resolve) => tcp.listen(port, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  return { address: `127.0.0.1:${port}`, queries, stop: () => stopBoth(udp, tcp, sockets) };
}

function respond(zones: Zones, message: DecodedPacket, maxBytes: number) {
  const [question] = message.questions ?? [];
  const { name = '', type = 'A' } = question ?? {};
  const { code, answers, authorities } = answerQuestion(zones, name, type);
  const hasEdns = message.additionals?.some((record) => record.type === 'OPT');
  const whole: Packet = {
    ...{ type: 'response', id: message.id ?? 0, questions: message.questions ?? [], answers, authorities },
    // a resolver that asks with RD gets it back; nobody recurses here
    flags: authoritative | ((message.flags ?? 0) & 0x100) | codes[code],
    additionals: hasEdns ? [edns] : [],
  };
  const isTruncated = packet.encodingLength(whole) > maxBytes;
  const response: Packet = isTruncated
    ? { ...whole, answers: [], authorities: [], flags: (whole.flags ?? 0) | truncated }
    : whole;
  const shown = { name: name.toLowerCase(), type, code, isTruncated };
  return { response, query: { ...shown, answers: response.answers?.length ?? 0 } };
}

function udpBytesOf({ additionals = [] }: DecodedPacket): number {
  const asked = additionals.find((record) => record.type === 'OPT') as
    | { udpPayloadSize?: number }
    | undefined;
  return Math.max(smallUdpBytes, asked?.udpPayloadSize ?? 0);
}

/** undefined for what is no DNS message: it gets no answer */
function decode(bytes: Buffer): DecodedPacket | undefined {
  try {
    return packet.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Each message has its length before it (RFC 1035 §4.2.2). */
function readMessages(socket: Socket, take: (message: DecodedPacket) => void): void {
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const message = decode(received.subarray(2, end));
      received = received.subarray(end);
      if (message) take(message);
      else socket.destroy();
    }
  });
}

async function stopBoth(udp: UdpSocket, tcp: Server, sockets: Set<Socket>): Promise<void> {
  await new Promise<void>((resolve) => udp.close(resolve));
  const closed = new Promise<void>((resolve) => tcp.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await closed;
}
