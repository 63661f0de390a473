/** docs/iam.md holds the policies of the template, for deployments without CDK. `PEMFLEET_UPDATE_SNAPSHOTS=1` rewrites it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { operatorPolicy } from './operator.ts';
import { byDns, policies, type Who } from './rights-stage.ts';

const file = fileURLToPath(new URL('../../docs/iam.md', import.meta.url));

const ROLES: readonly [who: Who, title: string, says: string][] = [
  ['issuer', 'Issuer, DNS-01', 'One zone by its id, and one in another account through a role.'],
  ['issuer by http-01', 'Issuer, HTTP-01', 'Without Route 53, but with answers to challenges in the bucket.'],
  ['responder', 'Responder', 'The function behind the public URL.'],
  [
    'host',
    'Hosts of the fleet edge',
    'What is published for the fleet, its own status, the key, and the releases of the agent.',
  ],
  [
    'agent release',
    'Release of the agent',
    "The function that a deployment calls to put the agent's tarballs into the bucket; no host and no issuer writes there.",
  ],
  ['scheduler', 'Scheduler', 'Starts the issuer, and keeps invocations that could not be delivered.'],
  [
    'operator',
    'People who operate',
    '`grantOperator`: all that [`pemfleet --function`](cli.md#through-the-function) offers; no right to the bucket or to a key.',
  ],
  ['auditor', 'People who audit', '`grantAuditor`: what changes nothing of it.'],
  [
    'reader',
    'People who audit at the bucket',
    '`grantAuditor` with `bucket: true`: the same, and all of the bucket but private keys, which are denied ([operator.md](operator.md)).',
  ],
  [
    'page reader',
    'People who read the page',
    '`grantPageReader`: the page of `statusPage: true`, and links to it ([status.md](status.md#the-page-in-the-bucket)).',
  ],
  [
    'foreign zone',
    'Zone of another account',
    "The role that the issuer assumes; its trust policy names the issuer's account or role.",
  ],
];

/** Replaces generated names by words for the reader to fill in. */
function readable(text: string): string {
  return text
    .replaceAll(/pemfleetbucket[0-9a-f]{8}/g, 'BUCKET')
    .replaceAll(/pemfleetkey[0-9a-f]{8}/g, 'KEY-ID')
    .replaceAll(
      /pemfleet(issuer|responder|agentrelease)?(logs|failures|function)[0-9a-f]{8}/g,
      (_, of = '', what) => `${of}-${what}`.toUpperCase(),
    )
    .replaceAll(/pemfleetnotifydocument[0-9a-f]{8}/g, 'DOCUMENT')
    .replaceAll(/pemfleetalarmstopic[0-9a-f]{8}/g, 'TOPIC')
    .replaceAll('eu-central-1', 'REGION')
    .replaceAll('111111111111', 'ACCOUNT')
    .replaceAll('222222222222', 'OTHER-ACCOUNT');
}

const section = ([who, title, says]: (typeof ROLES)[number]) =>
  `## ${title}\n${says}\n\n\`\`\`json\n${readable(JSON.stringify(policies[who][0], null, 2))}\n\`\`\`\n`;

test('docs/iam.md holds the policies of the template', () => {
  const { KeyPolicy } = byDns.properties('PemfleetKey');
  const text = `# IAM policies in full

Generated from the template (\`npm run test:cdk\` compares); the example orders \`www.example.com\`, \`example.com\` and \`*.example.com\` in the zone
\`Z0OWN\`, and \`shop.example.net\` in another account, for the fleets \`edge\` and \`inner\`; its \`notify\` has a topic, a bus and a webhook (statements \`Notices\`, \`Events\`, \`Receivers\`). Replace the words in capitals.

${ROLES.map(section).join('\n')}
## Operator
For \`pemfleet upgrade-agents\`, beside the right to read the bucket and to use its key (\`kms:Decrypt\`, \`kms:GenerateDataKey\`): the document \`UpgradeDocument\` of the stack, the hosts of its fleets, and two lines of the audit trail.

\`\`\`json
${readable(JSON.stringify(operatorPolicy({ document: 'DOCUMENT', tag: 'Pemfleet/edge', bucket: 'BUCKET' }), null, 2))}
\`\`\`

## Bucket
Refuses what no program does, whoever asks.

\`\`\`json
${readable(JSON.stringify((byDns.properties('PemfleetBucketPolicy') as { PolicyDocument: object }).PolicyDocument, null, 2))}
\`\`\`

## Key
Leaves the decision to the policies above.

\`\`\`json
${readable(JSON.stringify(KeyPolicy, null, 2))}
\`\`\`
`;

  if (process.env['PEMFLEET_UPDATE_SNAPSHOTS'] === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'), 'differs: see the head of this file');
});
