/** The commands of `pemfleet` in this process, as an operator calls them: a directory for a bucket, and a real CA whose requests are counted. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ConfigError } from '#common/config-error.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { accountCommand } from '../../../lambda/commands/account/account.ts';
import type { Command } from '../../../lambda/commands/command.ts';
import { caaCommand } from '../../../lambda/commands/dns/caa.ts';
import { upgradeAgentsCommand } from '../../../lambda/commands/fleet/upgrade-agents.ts';
import { haproxyConfigCommand } from '../../../lambda/commands/haproxy-config.ts';
import { goLiveCommand } from '../../../lambda/commands/init/go-live.ts';
import { initCommand } from '../../../lambda/commands/init/init.ts';
import { keyCommand } from '../../../lambda/commands/key.ts';
import { parseArguments } from '../../../lambda/commands/line/options.ts';
import { notifyCommand } from '../../../lambda/commands/notification/notify-command.ts';
import { planCommand, renewCommand, runCommand } from '../../../lambda/commands/pass.ts';
import { replaceCommand } from '../../../lambda/commands/replacement/replace.ts';
import { startResponderServer } from '../../../lambda/commands/responder-server.ts';
import { revokeCommand } from '../../../lambda/commands/revoke.ts';
import { statusCommand } from '../../../lambda/commands/status.ts';
import { takeOverCommand } from '../../../lambda/commands/take-over.ts';
import { auditCommand } from '../../../lambda/commands/undo/audit.ts';
import { holdCommand, resumeCommand } from '../../../lambda/commands/undo/hold.ts';
import { rollbackCommand } from '../../../lambda/commands/undo/rollback.ts';
import { withdrawCommand } from '../../../lambda/commands/withdraw.ts';
import { respondTo } from '../../../lambda/responder.ts';
import { type HostileCa, startHostileCa } from '../hostile-ca/hostile-ca.ts';
import { startDns } from '../parts/dns.ts';
import { type Pebble, type PebbleOptions, startPebble } from '../parts/pebble.ts';
import { freePort } from '../ports.ts';
import { tempDir } from '../temp-dir.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  ...{ run: runCommand, plan: planCommand, revoke: revokeCommand, withdraw: withdrawCommand },
  ...{ account: accountCommand, 'take-over': takeOverCommand, key: keyCommand },
  ...{ init: initCommand, 'go-live': goLiveCommand, notify: notifyCommand },
  'haproxy-config': haproxyConfigCommand,
  'upgrade-agents': upgradeAgentsCommand,
  caa: caaCommand,
  replace: replaceCommand,
  ...{ renew: renewCommand, rollback: rollbackCommand, hold: holdCommand, resume: resumeCommand },
  ...{ status: statusCommand, audit: auditCommand },
};

export interface Operator {
  pebble: Pebble;
  ca: HostileCa;
  bucket: Bucket;
  /** Changes the configuration. */
  configure(changes: object): void;
  /** @returns the exit status, or code and message of what was thrown */
  pemfleet(...words: string[]): Promise<{ status: number | string; stdout: string; stderr: string }>;
  /** Every file of the bucket, and its content. */
  files(): Record<string, string>;
}

export async function startOperator(t: TestContext, options: PebbleOptions = {}): Promise<Operator> {
  const dir = tempDir(t);
  const [dns, httpPort] = [await startDns(), await freePort()];
  t.after(dns.stop);
  const pebble = await startPebble({ httpPort, dnsServer: dns.address, ...options });
  t.after(pebble.stop);
  const ca = await startHostileCa({ pebble });
  t.after(ca.stop);
  const [path, file] = [join(dir, 'bucket'), join(dir, 'pemfleet.yaml')];
  const bucket = await openBucket(pathToFileURL(path).href);
  const onError = (error: unknown) => assertNever(error);
  const respond = (event: Parameters<typeof respondTo>[1]) => respondTo(bucket, event);
  const front = await startResponderServer({ host: '127.0.0.1', port: httpPort, respond, onError });
  t.after(front.stop);
  const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
  let config: object = { bucket: bucket.url, acme, certificates: [{ identifiers: ['a.test'] }] };
  const configure = (changes: object) => {
    config = { ...config, ...changes };
    writeFileSync(file, JSON.stringify(config));
  };
  configure({});
  return {
    ...{ pebble, ca, bucket, configure },
    pemfleet: (...words) => called(t, [...words, '--config', file]),
    files: () => filesBelow(path),
  };
}

/** One command in this process. */
export async function called(t: TestContext, args: string[]) {
  const printed = { stdout: '', stderr: '' };
  const into = (name: keyof typeof printed) => {
    const write = process[name].write.bind(process[name]);
    return t.mock.method(process[name], 'write', (text: string | Uint8Array) => {
      // The reports of tests are bytes: those of the test before come late.
      if (typeof text !== 'string') return write(text);
      printed[name] += text;
      return true;
    });
  };
  const mocks = [into('stdout'), into('stderr')];
  try {
    const { values, positionals } = parseArguments(args);
    const [name = '', ...operands] = positionals;
    const command = COMMANDS[name];
    if (command === undefined) throw new TypeError(`this stage has no command ${name}`);
    return { status: await command(values, operands), ...printed };
  } catch (error) {
    const text = error instanceof ConfigError ? error.message : messageOf(error);
    return { status: `${(error as Error).name} ${codeOf(error)} ${text}`, ...printed };
  } finally {
    for (const mock of mocks) mock.mock.restore();
  }
}

function filesBelow(path: string): Record<string, string> {
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    files.sort().map((name) => [name.slice(path.length + 1), readFileSync(name, 'latin1')]),
  );
}

function assertNever(error: unknown): never {
  throw error;
}
