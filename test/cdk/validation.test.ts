/**
 * Checks the templates offline against the rules of others: what CloudFormation itself would refuse (by the engine inside aws-cdk-lib;
 * warnings count, because a wrong enum value is only W3030), and cdk-nag's AwsSolutions.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type App,
  CloudFormationValidatePlugin,
  type IPolicyValidationPlugin,
  Stack,
  Validations,
} from 'aws-cdk-lib';
import { AccountPrincipal, CfnPolicy } from 'aws-cdk-lib/aws-iam';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { CfnBucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { ZoneAccess } from '../../cdk/index.ts';
import { http01, synthesize, synthesizeEverything } from './stacks.ts';

interface Report {
  pluginReports: { violations: { ruleName: string; description: string }[] }[];
}

/** Findings of all plugins, including warnings. A violation makes synth throw after it has written the report. */
function findings(app: App): string[] {
  Validations.of(app).addPlugins(
    new CloudFormationValidatePlugin() as IPolicyValidationPlugin,
    new AwsSolutionsChecks(app),
  );
  try {
    app.synth({ force: true });
  } catch (error) {
    if ((error as Error).name !== 'ValidationFailed') throw error;
  }
  const report: Report = JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8'));
  return report.pluginReports.flatMap(({ violations }) =>
    violations.map(({ ruleName, description }) => `${ruleName}: ${description}`),
  );
}

test('validation: the defaults, with HTTP-01, have no findings', () => {
  assert.deepEqual(findings(synthesize(http01).app), []);
});

test('validation: everything set, with DNS-01, has no findings', () => {
  assert.deepEqual(findings(synthesizeEverything().app), []);
});

test('validation: the role for a zone of another account has no findings', () => {
  const { app } = synthesize();
  const stack = new Stack(app, 'Zones');
  const hostedZone = HostedZone.fromHostedZoneId(stack, 'Zone', 'Z0EXAMPLE');
  const trusted = new AccountPrincipal('111122223333');
  new ZoneAccess(stack, 'Access', { hostedZone, identifiers: ['*.example.com'], trusted, findByName: true });

  assert.deepEqual(findings(app), []);
});

test('validation: a wrong value and a right on everything are found', () => {
  const { app, stack } = synthesize();
  new CfnBucket(stack, 'Broken', { versioningConfiguration: { status: 'On' } });
  const Statement = [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }];
  const policyDocument = { Version: '2012-10-17', Statement };
  new CfnPolicy(stack, 'Lax', { policyName: 'lax', policyDocument, roles: ['somebody'] });

  const rules = findings(app).map((finding) => finding.split(': ')[0]);

  for (const rule of [
    'W3030',
    'AwsSolutions-S10',
    'AwsSolutions-IAM5[Resource::*]',
    'AwsSolutions-IAM5[Action::s3:*]',
  ]) {
    assert.ok(rules.includes(rule), `${rule} is not among ${rules.join(', ')}`);
  }
});
