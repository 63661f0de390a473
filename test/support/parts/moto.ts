// moto, AWS as others have rebuilt it: the second opinion on S3 and Route 53. It takes any signature, allows
// everything, and is never PENDING.

import { programPath } from '../../setup.mjs';
import { freePort } from '../ports.ts';
import { startPart } from '../process.ts';
import { request } from '../request.ts';

export interface Moto {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** for programs of their own */
  env: Record<string, string>;
  log(): string;
  stop(): Promise<void>;
}

export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const [endpoint, region] = [`http://127.0.0.1:${port}`, 'eu-central-1'];
  const part = await startPart({
    name: 'moto',
    command: programPath('moto'),
    args: ['-H', '127.0.0.1', '-p', String(port)],
    probe: async () => (await request(`${endpoint}/moto-api/data.json`)).status === 200,
    // its first start compiles its modules
    deadlineMs: 30_000,
  });
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
  const env = {
    ...{ AWS_ENDPOINT_URL: endpoint, AWS_REGION: region },
    ...{ AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' },
  };
  return { endpoint, region, credentials, env, log: part.log, stop: part.stop };
}
