/**
 * The app that `npx cdk deploy` runs. It takes settings from the context (cdk.json, or `-c name=value`): `config` (path of pemfleet.yaml),
 * `stack` (name of the stack), `emails` (comma-separated addresses for alarms), `runbookUrl`,
 * `responderSecret` (name of an SSM parameter), and `reserveConcurrency=true`.
 */
import { App } from 'aws-cdk-lib';
import { ConfigError } from '#common/config-error.ts';
import { readPemfleetConfig } from './settings/configuration.ts';
import { PemfleetStack } from './stack.ts';

function main(app: App): void {
  const context = (name: string, otherwise: string) => String(app.node.tryGetContext(name) ?? otherwise);
  const alarmEmails = context('emails', '').split(',').filter(Boolean);
  const runbookUrl = context('runbookUrl', '');
  const responderSecret = context('responderSecret', '');
  new PemfleetStack(app, context('stack', 'Pemfleet'), {
    pemfleet: {
      config: readPemfleetConfig(context('config', 'pemfleet.yaml')),
      reserveConcurrency: context('reserveConcurrency', 'false') === 'true',
      ...(runbookUrl && { runbookUrl }),
      ...(responderSecret && { responderSecret }),
      alarmEmails,
    },
  });
}

try {
  main(new App());
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  // The lines that name each mistake, without a stack trace in front of them.
  process.stderr.write(`${error.code} ${error.message}\n`);
  process.exitCode = 78;
}
