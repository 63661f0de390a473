/** A client that sends requests without a pause, over new and kept connections, and counts the failures. */
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Traffic {
  /** Stops the client. Resolves when the last request has been answered. */
  stop(): Promise<{ requests: number; failed: number; firstFailure: string | undefined }>;
}

const PAUSE_MS = 10;
const TIMEOUT_MS = 5_000;

export function startTraffic(port: number, hosts: readonly string[], ca: string): Traffic {
  let isRunning = true;
  const count = { requests: 0, failed: 0, firstFailure: undefined as string | undefined };
  const agents = [
    new Agent({ keepAlive: false, ca, maxCachedSessions: 0 }),
    new Agent({ keepAlive: true, maxSockets: 1, ca }),
  ];

  async function client(agent: Agent): Promise<void> {
    for (let turn = 0; isRunning; turn += 1) {
      const host = hosts[turn % hosts.length] ?? '';
      count.requests += 1;
      await get(agent, port, host).catch((error: Error) => {
        count.failed += 1;
        count.firstFailure ??= `${host}: ${error.message}`;
      });
      await sleep(PAUSE_MS);
    }
  }

  const clients = agents.map(client);
  return {
    stop: async () => {
      isRunning = false;
      await Promise.all(clients);
      for (const agent of agents) agent.destroy();
      return count;
    },
  };
}

/** Verifies certificate and name: a wrong or missing certificate is a failure, like an unanswered request. */
function get(agent: Agent, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      servername: host,
      headers: { host },
      agent,
      timeout: TIMEOUT_MS,
    };
    const call = request(options, (answer) => {
      answer.resume();
      const isGood = answer.statusCode === 200;
      answer.once('end', () => (isGood ? resolve() : reject(new Error(`HTTP ${answer.statusCode}`))));
    });
    call.once('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.once('error', reject).end();
  });
}
