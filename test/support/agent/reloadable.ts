// A HAProxy under a master that the agent may reload by a command, and how often it did.
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stringify } from 'yaml';
import { programPath } from '../../setup.mjs';
import type { HaproxyVersion } from '../parts/haproxy.ts';
import { freePort } from '../ports.ts';
import { byDirectory, withSmallPayloads } from './configs.ts';
import { makeStage } from './stage.ts';
import { makeWorkDir } from './work-dir.ts';

/** More names than fit in one command. */
export const many = ['shop.test', ...Array.from({ length: 800 }, (_, index) => `name-${index}.shop.test`)];

/** The Pid of the master, which a signal makes reload. */
function masterPid(socket: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => connection.end('show proc\n'));
    let answer = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    connection.once('error', reject).once('close', () => resolve(/^(\d+) +master/m.exec(answer)?.[1] ?? ''));
  });
}

export async function makeReloadable(
  t: TestContext,
  version: HaproxyVersion,
  changes: (workDir: string) => object = () => ({}),
) {
  const { workDir, certs } = makeWorkDir(t);
  const httpsPort = await freePort();
  const ownConfig = byDirectory({ socket: join(workDir, 'admin.sock'), certs, port: httpsPort });
  const configText = withSmallPayloads(ownConfig, version);
  const stage = await makeStage(t, { version, workDir, configText, httpsPort, masterWorker: true });
  const config = join(workDir, 'agent.yaml');
  const counter = join(workDir, 'reloads');
  const pid = await masterPid(stage.haproxy.masterSocket);
  const reload = {
    command: ['/bin/sh', '-c', `echo x >>${counter}; kill -USR2 ${pid}`],
    check: [programPath(`haproxy-${version}`), '-c', '-f', join(workDir, 'haproxy.cfg')],
    window: 1000,
    timeout: 10,
    ...changes(workDir),
  };
  writeFileSync(config, stringify({ haproxy: { reload } }));
  writeFileSync(counter, '');
  return {
    stage,
    config,
    certs,
    sync: (...args: string[]) => stage.pass(['--config', config, ...args]),
    reloads: () => readFileSync(counter, 'utf8').length / 2,
  };
}
