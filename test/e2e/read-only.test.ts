/**
 * An auditor at the bucket itself: each command that only reads works with the policy of docs/iam.md, which denies every private key, and asks
 * for no key on its way.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { signedSender } from '#storage/signed-request.ts';
import { REACH } from '../../lambda/commands/remote/reach.ts';
import type { Principal } from '../aws/aws.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { type AwsStage, BUCKET, program, startAwsStage } from './aws-stage.ts';
import { finish } from './finish.ts';

const NAME = 'shop.example.test';

/** As the page has it, for this bucket. */
function documentedPolicy(): object {
  const page = readFileSync(new URL('../../docs/iam.md', import.meta.url), 'utf8');
  const section =
    page.split('\n## ').find((text) => text.startsWith('People who audit at the bucket\n')) ?? '';
  const json = /```json\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
  return JSON.parse(
    json
      .replaceAll('BUCKET', BUCKET)
      .replaceAll('ACCOUNT', '111111111111')
      .replaceAll('REGION', 'eu-central-1'),
  );
}

let stage: AwsStage;
let auditor: Principal;
before(async () => {
  stage = await startAwsStage();
  stage.configure([{ identifiers: [NAME] }], {
    ...{ challenge: 'dns-01', dns: { resolvers: [stage.aws.dns.address] } },
  });
  const pass = await stage.pass();
  assert.equal(pass.errorType, undefined, pass.errorMessage);
  await stage.aws.ssm.settled();
  await stage.pass();
  auditor = stage.aws.principal({ name: 'auditor', policies: [documentedPolicy()] });
});
after(() => stage.stop());

const typed = (args: string[]) =>
  finish(program('cli'), [...args, '--config', stage.configFile], { env: { ...auditor.env } });

const ROWS: Record<string, { words?: string[]; says: RegExp; statuses?: number[] }> = {
  status: { says: /fleet default: 1 certificate, 1 host: all is well[\s\S]*shop\.example\.test +served/ },
  plan: {
    words: ['--days', '90'],
    says: /the next 90 days.*: \d+ orders for 1 certificates[\s\S]*kept +fresh/,
  },
  history: { words: [NAME], says: /shop\.example\.test|in force|served/ },
  audit: { says: /shop\.example\.test +default/ },
  // Nobody resolves the name to an address here.
  probe: { words: [NAME], says: /shop\.example\.test/, statuses: [0, 1, 2] },
  drill: { says: /all certificates: 1 of 1 would be replaced/ },
  'haproxy-config': { says: /No certificate is proven by HTTP-01/ },
  caa: { says: /shop\.example\.test/, statuses: [0, 1, 2] },
  'dns-records': { says: /./, statuses: [0, 1, 2] },
};

test('each command that reads has its row', () => {
  const reading = Object.entries(REACH).flatMap(([name, reach]) => (reach === 'read' ? [name] : []));

  assert.deepEqual(Object.keys(ROWS).sort(), reading.sort());
});

for (const [name, { words = [], says, statuses = [0] }] of Object.entries(ROWS)) {
  test(`${name}: works without a right to any key`, async () => {
    const asked = stage.aws.calls.length;

    const { status, stdout, stderr } = await typed([name, ...words]);

    assert.match(stdout + stderr, says);
    assert.ok(statuses.includes(status ?? -1), `${status}: ${stdout}${stderr}`);
    const calls = stage.aws.calls.slice(asked).filter(({ principal }) => principal === auditor.arn);
    const keys = calls.filter(
      ({ subject, status: answer }) => /\/pem\/.*\.pem$/.test(subject) && answer === 200,
    );
    assert.deepEqual(keys, []);
    assert.ok(calls.every(({ operation }) => !/^(Put|Delete)/.test(operation)));
  });
}

/** The commands of docs/operator.md that answer an auditor, with the words of this stage in place of those of the page. */
function questions(): Map<string, string[]> {
  const page = readFileSync(new URL('../../docs/operator.md', import.meta.url), 'utf8');
  const section = page.split("## The auditor's questions\n")[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| ([^|]+\?) \| `([^`]+)` \|/gm)];
  return new Map(rows.map(([, question = '', command = '']) => [question, command.split(' ')]));
}

async function ask(question: string, replaced: Record<string, string> = {}) {
  const words = questions().get(question);
  assert.ok(words, question);
  assert.equal(words[0], 'pemfleet');
  return typed(words.slice(1).map((word) => replaced[word] ?? word));
}

test('what is served where, and who has served one certificate until when', async () => {
  const where = await ask('what is served where?');
  const [fleet] = JSON.parse(where.stdout).fleets;
  const [certificate] = fleet.certificates;
  const who = await ask('who has served this certificate, until when?', { SERIAL: certificate.serial });

  assert.deepEqual([certificate.certificate, certificate.served, certificate.behind], [NAME, ['lb1'], []]);
  assert.equal(who.status, 1, 'some did');
  assert.match(who.stdout, /lb1 +default +shop\.example\.test .* serves it +handshake/);
});

test('who changed what when, and whether anybody has changed the trail', async () => {
  const changes = await ask('who changed what, when?');
  const verified = await ask('was the trail changed?');

  assert.match(changes.stdout, /issued +shop\.example\.test +default +- +[0-9A-F]+ .*missing/);
  assert.deepEqual([changes.status, verified.status], [0, 0]);
  assert.match(verified.stdout, /^\d+ lines; note this end elsewhere: \d+:[0-9a-f]{64}/);
});

test('could this person read a key: the documented simulation denies an auditor each one, and not an administrator', async () => {
  const { aws } = stage;
  const words = questions().get('could this person read a key?') ?? [];
  const after = (option: string) => {
    const rest = words.slice(words.indexOf(option) + 1);
    const end = rest.findIndex((word) => word.startsWith('--'));
    return end === -1 ? rest : rest.slice(0, end);
  };
  assert.deepEqual(words.slice(0, 3), ['aws', 'iam', 'simulate-principal-policy']);
  const decisionsOf = async (person: Principal) => {
    const form = new URLSearchParams({ Action: 'SimulatePrincipalPolicy', Version: '2010-05-08' });
    form.set('PolicySourceArn', person.arn);
    form.set('ActionNames.member.1', String(after('--action-names')[0]));
    for (const [index, arn] of after('--resource-arns').entries()) {
      form.set(`ResourceArns.member.${index + 1}`, arn.replace('BUCKET', BUCKET).replace('NAME', NAME));
    }
    const { accessKeyId, secretAccessKey } = aws.administrator.credentials;
    const send = signedSender(
      async () => ({ accessKeyId, secretAccessKey }),
      async () => aws.region,
      'iam',
    );
    const { body } = await send({
      ...{ method: 'POST', url: new URL(aws.endpoint), body: Buffer.from(form.toString()) },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    return [...body.toString().matchAll(/<EvalDecision>(\w+)</g)].map(([, decision]) => decision);
  };

  assert.deepEqual(await decisionsOf(auditor), Array(4).fill('explicitDeny'));
  assert.deepEqual(await decisionsOf(aws.administrator), Array(4).fill('allowed'));
});

test('could another user of the machine read a key: the documented search finds a file that is open, and no answer to a challenge', () => {
  const words = questions().get('could another user of the machine read a key?') ?? [];
  const dir = makeTempDir();
  for (const folder of ['issuer', 'challenge']) {
    mkdirSync(join(dir.path, folder));
    writeFileSync(join(dir.path, folder, 'open'), '', { mode: 0o644 });
    writeFileSync(join(dir.path, folder, 'shut'), '', { mode: 0o600 });
  }
  const [program = '', ...args] = words.map((word) =>
    word === 'DIRECTORY' ? dir.path : word.replaceAll('"', ''),
  );

  const found = execFileSync(program, args, { encoding: 'utf8' });

  dir.remove();
  assert.equal(found, `${dir.path}/issuer/open\n`);
});

test('could this person read a key: IAM refuses every key of the bucket', async () => {
  const { aws } = stage;
  const keys = aws.s3.keys(BUCKET).filter((key) => /\.pem$|signing-key|issuer\/(account|order)\//.test(key));

  assert.ok(keys.length >= 3, keys.join());
  for (const key of keys) {
    const resource = `arn:aws:s3:::${BUCKET}/${key}`;
    const isAllowed = await aws.onBehalf(auditor, {
      ...{ service: 's3', operation: 'GetObject', subject: key },
      check: { action: 's3:GetObject', resource, context: {} },
    });
    assert.equal(isAllowed, false, key);
  }
});
