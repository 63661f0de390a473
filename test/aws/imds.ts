// The instance metadata service of EC2, version 2: nothing without a token, which only a PUT gets.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Principal } from './identity.ts';

export interface ImdsOptions {
  instanceId?: string;
  region?: string;
  /** of the instance's role; undefined: it has none. Asked each time, so that a test can let credentials change. */
  principal?: () => Principal | undefined;
}

export interface Imds {
  endpoint: string;
  /** for programs: where the SDK finds it */
  env: Record<string, string>;
  /** `PUT /latest/api/token 200`, … */
  requests: string[];
  stop(): Promise<void>;
}

export async function startImds(options: ImdsOptions = {}): Promise<Imds> {
  const requests: string[] = [];
  const tokens = new Map<string, number>();
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const { status, body } = answerTo(request, tokens, options);
    requests.push(`${request.method} ${request.url} ${status}`);
    response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { endpoint, env: { AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint }, requests, stop };
}

interface PlainAnswer {
  status: number;
  body: string;
}

const refuse = (status: number): PlainAnswer => ({ status, body: '' });

function answerTo(request: IncomingMessage, tokens: Map<string, number>, options: ImdsOptions): PlainAnswer {
  const { method, url = '', headers } = request;
  // a proxy in between means that the asker is not the instance
  if (headers['x-forwarded-for'] !== undefined) return refuse(403);
  if (method === 'PUT' && url === '/latest/api/token') {
    const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
    if (!(seconds >= 1 && seconds <= 21_600)) return refuse(400);
    const token = randomBytes(32).toString('base64url');
    tokens.set(token, Date.now() + seconds * 1000);
    return { status: 200, body: token };
  }
  const expiresAt = tokens.get(String(headers['x-aws-ec2-metadata-token'])) ?? 0;
  if (expiresAt <= Date.now()) return refuse(401);
  if (method !== 'GET') return refuse(405);
  const body = metadataAt(url.replace(/\/$/, ''), options);
  return body === undefined ? refuse(404) : { status: 200, body };
}

function metadataAt(path: string, options: ImdsOptions): string | undefined {
  const { instanceId = 'i-0aaaaaaaaaaaaaaaa', region = 'eu-central-1' } = options;
  const principal = options.principal?.();
  const role = principal && roleNameOf(principal);
  switch (path) {
    case '/latest/meta-data/instance-id':
      return instanceId;
    case '/latest/meta-data/placement/region':
      return region;
    case '/latest/meta-data/placement/availability-zone':
      return `${region}a`;
    case '/latest/dynamic/instance-identity/document':
      return JSON.stringify({ instanceId, region, accountId: principal?.accountId });
    case '/latest/meta-data/iam/security-credentials':
      return role;
    default:
      return principal && path === `/latest/meta-data/iam/security-credentials/${role}`
        ? JSON.stringify(credentialsOf(principal))
        : undefined;
  }
}

const roleNameOf = ({ arn }: Principal) => arn.split('/')[1] ?? '';

function credentialsOf({ credentials }: Principal) {
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = credentials;
  const inSixHours = new Date(Date.now() + 6 * 3_600_000);
  return {
    ...{ Code: 'Success', Type: 'AWS-HMAC', LastUpdated: new Date().toISOString() },
    ...{ AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken },
    Expiration: (expiresAt ?? inSixHours).toISOString(),
  };
}
