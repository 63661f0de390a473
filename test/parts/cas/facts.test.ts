/** docs/cas.md says what the two real CAs of the tests do: both are asked. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { layout } from '#contract/layout.ts';
import type { AcmeClient } from '../../../lambda/acme/client.ts';
import { AcmeProblem } from '../../../lambda/acme/problem.ts';
import { replaceAccount, rolloverAccountKey } from '../../../lambda/ca/change-account.ts';
import { fleet, named } from '../../support/issuer/documents.ts';
import { type CaStage, startCaddyStage, startStage } from '../../support/issuer/stage.ts';

const DOC = fileURLToPath(new URL('../../../docs/cas.md', import.meta.url));
const COLUMNS = { Pebble: startStage, Caddy: startCaddyStage };

/** The rows of the table "Seen", by the CA's column. */
function documented(column: number): Record<string, string> {
  const [, table = ''] = /\n## Seen\n[^|]*(\|[\s\S]*?\n)\n/.exec(readFileSync(DOC, 'utf8')) ?? [];
  const rows = table
    .trim()
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return Object.fromEntries(rows.map((cells) => [cells[1] ?? '', cells[column + 2] ?? '']));
}

for (const [index, [name, start]] of Object.entries(COLUMNS).entries()) {
  test(`docs/cas.md: what ${name} does`, async (t) => {
    const stage = await start(t, { withoutResponder: true });

    assert.deepEqual(await factsOf(stage), documented(index));
  });
}

interface Answered {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  data: unknown;
}

interface Offered {
  authorizations: string[];
  expires?: string;
}

async function factsOf(stage: CaStage): Promise<Record<string, string>> {
  const client = await stage.openAccount();
  const { directory } = client;
  const yes = (is: unknown) => (is ? 'yes' : 'no');
  const order = (...values: string[]) =>
    client.post(directory.newOrder, {
      identifiers: values.map((value) => ({ type: value === '127.0.0.1' ? 'ip' : 'dns', value })),
    });
  const challenges = async (value: string) =>
    (await challengesOf(client, await order(value))).sort().join(', ');
  const first = await order('a.test');
  const again = await order('a.test');
  const [authorization = ''] = (first.data as Offered).authorizations;
  const { meta } = directory;
  const facts = {
    'challenges of a DNS name': await challenges('b.test'),
    'challenges of a wildcard': await challenges('*.b.test'),
    'challenges of an IP address': await challenges('127.0.0.1'),
    'renewal information (RFC 9773)': yes(directory.renewalInfo),
    profiles: yes(meta?.profiles),
    'CAA identities in the directory': yes((meta as { caaIdentities?: unknown } | undefined)?.caaIdentities),
    'terms of service in the directory': yes(
      (meta as { termsOfService?: unknown } | undefined)?.termsOfService,
    ),
    '`expires` of an order': yes((first.data as Offered).expires),
    'the same names ordered again':
      first.headers['location'] === again.headers['location'] ? 'the same order' : 'another order',
    'a name with a wildcard that covers it': await taken(order('*.w.test', 'x.w.test')),
    'a name of one label': await taken(order('intranet')),
    'an order of 101 names': await taken(order(...Array.from({ length: 101 }, (_, n) => `n${n}.test`))),
    'an order that it does not know': await refusal(client.post(`${first.headers['location']}x`, null)),
    'an authorization that is deactivated':
      (await refusal(client.post(authorization, { status: 'deactivated' }))) || 'yes',
    'a challenge that nobody answers': await unanswered(client, await order('nobody.test')),
  };
  await stage.startResponder();
  return { ...facts, ...(await factsOfIssued(stage, client)) };
}

/** Those that end accounts come last. */
async function factsOfIssued(stage: CaStage, client: AcmeClient): Promise<Record<string, string>> {
  const list = await listOf(client);
  const broken = await brokenByItsList(stage);
  const ca = stage.casBy(stage.exchange).get(stage.ca.directoryUrl);
  const fresh = await ca?.accountAt();
  assert.ok(fresh);
  const rollover = await refusal(rolloverAccountKey(fresh)).catch((error: Error) =>
    error.cause instanceof AcmeProblem ? wordsOf(error.cause) : error.message,
  );
  const account = await stage.openAccount();
  await stage.pass([{ identifiers: ['issued.test'] }]);
  const [pem = ''] = await stage.bucket.list(layout.pems(fleet, named('issued.test')));
  const leaf = new X509Certificate(stage.bucket.text(pem) ?? '');
  const revoke = () =>
    account.post(account.directory.revokeCert ?? '', { certificate: leaf.raw.toString('base64url') });
  await revoke();
  const revokedAgain = await refusal(revoke());
  await account.post(account.accountUrl ?? '', { status: 'deactivated' });
  return {
    "the account's list of orders": list,
    'its list again, when no order is pending': `${list}${broken}`,
    'key rollover': rollover || 'yes',
    'a certificate that is revoked twice': revokedAgain,
    'an order of a deactivated account': await refusal(
      account.post(account.directory.newOrder, { identifiers: [{ type: 'dns', value: 'z.test' }] }),
    ),
    'extended key usage': (leaf.keyUsage ?? []).map((oid) => USAGES[oid] ?? oid).join(', '),
  };
}

const USAGES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
};

async function challengesOf(client: AcmeClient, { data }: Answered): Promise<string[]> {
  const [url = ''] = (data as Offered).authorizations;
  const { challenges } = (await client.post(url, null)).data as { challenges: { type: string }[] };
  return challenges.map(({ type }) => type);
}

const wordsOf = ({ status, type }: AcmeProblem) => (type === 'http' ? `${status}` : `${status} ${type}`);

/** @returns '' where the CA agrees */
async function refusal(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
    return '';
  } catch (error) {
    if (error instanceof AcmeProblem) return wordsOf(error);
    throw error;
  }
}

const taken = async (answer: Promise<unknown>) => (await refusal(answer)) || 'taken';

async function listOf(client: AcmeClient): Promise<string> {
  const { orders = '' } = (await client.post(client.accountUrl ?? '', null)).data as { orders?: string };
  const { data } = await client.post(orders, null);
  return Array.isArray(data) ? 'a bare array' : 'an object';
}

/** In an account of its own, whose only order is done. */
async function brokenByItsList(stage: CaStage): Promise<string> {
  const at = await stage.casBy(stage.exchange).get(stage.ca.directoryUrl)?.accountAt();
  assert.ok(at);
  const account = await replaceAccount(at);
  await stage.pass([{ identifiers: ['listed.test'] }]);
  await listOf(account);
  const order = () =>
    account.post(account.directory.newOrder, { identifiers: [{ type: 'dns', value: 'after.test' }] });
  const broken = await refusal(order());
  await replaceAccount(at);
  return broken.startsWith('500') ? '; the account is broken' : broken;
}

async function unanswered(client: AcmeClient, { data }: Answered): Promise<string> {
  const [url = ''] = (data as Offered).authorizations;
  interface Tried {
    status: string;
    challenges: { type: string; url: string; error?: object }[];
  }
  const read = async () => (await client.post(url, null)).data as Tried;
  const challenge = (await read()).challenges.find(({ type }) => type === 'http-01');
  await client.post(challenge?.url ?? '', {});
  for (;;) {
    const { status, challenges } = await read();
    const hasError = challenges.some(({ error }) => error !== undefined);
    if (status === 'invalid') return 'invalid';
    if (hasError) return `${status}, with an error`;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
