// Every reader of something from outside is bounded: it uses a bounded helper, or stands here with what bounds it.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { sourceFiles, textOf } from '../support/sources.ts';

/** What reads, of Node's modules and of AWS's. */
const READERS =
  /^(readFile(Sync)?|readSync|createReadStream|createConnection|connect|request|createServer|spawn(Sync)?|startProgram|exec(File)?(Sync)?|fork|createSocket|createInterface|lookup|Resolver|httpRequest|from\w+Metadata|fromTemporaryCredentials|\w+Client)$/;
const IMPORT =
  /import \{([^}]*)\} from '(node:(?:fs|fs\/promises|net|http|https|tls|child_process|dgram|readline|dns|dns\/promises)|@aws-sdk\/[\w-]+|@smithy\/credential-provider-imds|[\w#./-]+\/start-program\.ts)'/g;

/** By file: what it reads with, and the bound. */
const BOUNDED: Record<string, readonly [readers: string, bound: string]> = {
  'agent/deploy/disk.ts': ['readSync', 'a regular file of MAX_READ_BYTES'],
  'agent/haproxy/program.ts': ['startProgram', 'MAX_OUTPUT, and the deadline of the command'],
  'agent/haproxy/socket.ts': ['createConnection', 'MAX_RUNTIME_ANSWER_BYTES, timeoutMs'],
  'lambda/common/systemd/host-command.ts': ['execFile', "maxBuffer (Node's 1 MiB), 5 s"],
  'agent/resident/sd-notify.ts': ['execFile', "maxBuffer (Node's 1 MiB), 10 s"],
  'agent/wire/connect.ts': ['connect', "the deadline of a handshake; OpenSSL's limit of a chain"],
  'agent/wire/listeners.ts': ['readFile', '/proc of this kernel'],
  'agent/wire/local.ts': ['createSocket lookup', 'nothing is received; one lookup'],
  'agent/wire/tls-client.ts': ['connect', "the deadline of a handshake; OpenSSL's limit of a chain"],
  'lambda/acme/transport.ts': ['request', 'readBody with maxBytes, one deadline'],
  'lambda/adopt/haproxy/runtime-certificates.ts': ['connect', 'MAX_ANSWER, TIMEOUT_MS'],
  'lambda/agents/publish-release.ts': [
    'readFile',
    'files of a release that the operator has named, held to their SHA-256',
  ],
  'lambda/agents/upgrade-command.ts': ['SSMClient', 'boundedAnswer'],
  'lambda/challenge/caa-lookup.ts': [
    'Resolver',
    '64 KiB by the protocol, MAX_RECORDS, the time-out of the resolver',
  ],
  'lambda/challenge/dns-target.ts': ['Resolver', '64 KiB by the protocol, the time-out of the resolver'],
  'lambda/challenge/route53/api.ts': [
    'Route53Client fromTemporaryCredentials',
    'boundedAnswer; the credentials of a role: AWS itself, by TLS',
  ],
  'lambda/challenge/txt-lookup.ts': ['Resolver', '64 KiB by the protocol, MAX_VALUES, MAX_SERVERS, 2 s'],
  'lambda/commands/key.ts': [
    'createReadStream process.stdin',
    'readBody with MAX_RECOVERY_FILE_BYTES; the operator types',
  ],
  'lambda/commands/import/passphrase.ts': ['process.stdin', 'a line that the operator types'],
  'lambda/commands/line/given-files.ts': [
    'createReadStream process.stdin',
    'readBody with the limit of the caller; files that the operator has named',
  ],
  'lambda/commands/responder-server.ts': ['createServer', "bodies are not read; Node's limit of headers"],
  'lambda/common/net/reach.ts': ['lookup', 'one lookup'],
  'lambda/common/prometheus/metrics-server.ts': [
    'createServer',
    "bodies are not read; Node's limit of headers",
  ],
  'lambda/common/settings/read-text.ts': ['readSync', 'MAX_BYTES; a pipe that the operator has named'],
  'lambda/common/systemd/drop-ins.ts': ['readFile', "drop-ins of our own in root's directories"],
  'lambda/commands/export/targets.ts': ['readFileSync', 'only where it has as many bytes as what is written'],
  'lambda/common/user/accounts.ts': ['readFileSync', '/etc/passwd, /etc/group of this machine'],
  'lambda/common/user/become.ts': ['spawnSync', 'the same command as another user: it ends when that ends'],
  'lambda/fleet/run-command.ts': ['SSMClient', 'boundedAnswer'],
  'lambda/commands/init/ask.ts': ['createInterface process.stdin', 'a line that the operator types'],
  'lambda/init/apply/reload.ts': ['connect', '100,000 characters, 2 s'],
  'lambda/init/apply/run-to-end.ts': ['execFile', 'MAX_OUTPUT, and the time-out of the caller'],
  'lambda/init/apply/visitors.ts': ['connect connect', "TIMEOUT_MS; OpenSSL's limit of a chain"],
  'lambda/init/host/listening.ts': ['readFileSync', '/proc of this kernel'],
  'lambda/init/host/processes.ts': ['readFileSync', '/proc of this kernel'],
  'lambda/init/host/unit-file.ts': ['readFileSync', "units and their environment files, root's"],
  'lambda/common/program/run-bounded.ts': ['startProgram', 'MAX_BYTES, and the time-out of the caller'],
  'lambda/common/program/start-program.ts': ['spawn', 'reads nothing: each caller stands here'],
  'lambda/notification/channels/http-post.ts': [
    'request request',
    'readBody with MAX_ANSWER_BYTES, the time-out of the channel',
  ],
  'lambda/notification/channels/machine/open-machine.ts': ['readFileSync', '/proc of this kernel'],
  'lambda/ocsp/fetch.ts': ['request request', 'readBody with MAX_BYTES, one deadline'],
  'lambda/preflight/fetch-answer.ts': ['request', 'readBody with MAX_BYTES, TIMEOUT_MS'],
  'lambda/probe/handshake.ts': ['connect connect', 'MAX_CHAIN, the deadline of a handshake'],
  'lambda/probe/resolve.ts': ['Resolver', '64 KiB by the protocol, the time-out of the resolver'],
  'lambda/replacement/serial-file.ts': [
    'createReadStream',
    'MAX_LINE, one line at a time; a file that the operator names',
  ],
  'lambda/signing/recovery-file.ts': ['readSync', 'MAX_RECOVERY_FILE_BYTES'],
  'lambda/signing/trust-parameter.ts': ['SSMClient', 'boundedAnswer'],
  'lambda/storage/atomic-file.ts': ['readSync', 'the bounded helper itself'],
  'lambda/storage/file-lock.ts': ['readFile startProgram', 'flock(1) prints nothing; /proc of this kernel'],
  'lambda/storage/metadata/instance.ts': ['request request', 'readBody with MAX_BYTES, one deadline'],
  'lambda/storage/s3.ts': ['S3Client', 'boundedAnswer'],
  // The link is made by the SDK, and nothing is sent.
  'lambda/commands/view/link.ts': ['S3Client', 'no request'],
  // Keys, each of which is taken and forgotten.
  'lambda/commands/view/watch.ts': ['process.stdin', 'new Screen('],
  'lambda/storage/signed-request.ts': ['request request', 'readBody with maxBytes, TIMEOUT_MS'],
  'lambda/upgrade/public-chain.ts': ['connect', 'both ends are in this process'],
};

function readersIn(file: string): string[] {
  const names = [...textOf(file).matchAll(IMPORT)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.trim().split(' as ')[0] ?? ''),
  );
  const stdin = /\bprocess\.stdin\b/.test(textOf(file)) ? ['process.stdin'] : [];
  return [...names.filter((name) => READERS.test(name)), ...stdin];
}

test('every reader is bounded, and stands in the list', () => {
  const readers = sourceFiles
    .filter((file) => /^(agent|lambda)\/.*\.ts$/.test(file))
    .map((file): [string, string] => [file, readersIn(file).join(' ')])
    .filter(([, names]) => names !== '');
  const listed = Object.entries(BOUNDED).map(([file, [names]]) => [file, names]);

  // A file may move from room to room.
  const byName = (rows: readonly string[][]) =>
    rows.map(([file = '', names]) => `${basename(file)}: ${names}`).sort();
  assert.deepEqual(byName(readers), byName(listed as string[][]));
});

test("each client of AWS's SDK takes its credentials from our chain: its own reads the metadata service without a bound", () => {
  const clients = sourceFiles
    .filter((file) => !file.startsWith('cdk/'))
    .flatMap((file) =>
      [...textOf(file).matchAll(/new (\w+)Client\(\{?\s*(\S*)/g)].map((found) => ({ file, found })),
    )
    .filter(({ file, found: [, name] }) => textOf(file).includes(`@aws-sdk/client-`) && name !== 'Http');

  assert.ok(clients.length >= 8);
  for (const { file, found } of clients) {
    assert.match(found[2] ?? '', /^credentials:/, `${file}: ${found[0]}`);
    assert.match(textOf(file), /credentials: .*\bsdkCredentials\(\)/i, file);
  }
});
