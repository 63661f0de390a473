/**
 * The document that Systems Manager runs on the hosts of a fleet when its manifest changes. Its parameters reach the script as
 * environment variables (interpolationType) and must match patterns, so no shell ever parses them. None of them is secret.
 */
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';

/** A reload makes a running agent poll now; it signals the agent alone, not a reload of HAProxy that runs beside it. Without an agent (a timer, a first boot) the script runs a pass as the agent's own user. */
const SCRIPT = `set -eu
echo "pemfleet: fleet \${SSM_fleet:-unknown}, manifest \${SSM_manifest:-unknown}"
if systemctl is-active --quiet pemfleet-agent.service; then
  exec systemctl reload pemfleet-agent.service
fi
if [ "$(id -u)" = 0 ] && id pemfleet >/dev/null 2>&1; then
  exec runuser -u pemfleet -- pemfleet-agent sync
fi
exec pemfleet-agent sync`;

export const NOTIFY_DOCUMENT = {
  schemaVersion: '2.2',
  description: 'pemfleet: the certificates of a fleet have changed; its agents poll now',
  parameters: {
    fleet: {
      type: 'String',
      description: 'The fleet whose manifest has changed.',
      allowedPattern: '^[a-z0-9_][a-z0-9._-]{0,62}$',
      interpolationType: 'ENV_VAR',
    },
    manifest: {
      type: 'String',
      description: 'ETag of its manifest.',
      allowedPattern: '^[A-Za-z0-9"_.-]{1,80}$',
      interpolationType: 'ENV_VAR',
    },
  },
  mainSteps: [
    {
      action: 'aws:runShellScript',
      name: 'look',
      precondition: { StringEquals: ['platformType', 'Linux'] },
      inputs: { runCommand: SCRIPT.split('\n'), timeoutSeconds: '600' },
    },
  ],
} as const;

export function createNotifyDocument(scope: Construct): CfnDocument {
  return new CfnDocument(scope, 'NotifyDocument', {
    documentType: 'Command',
    documentFormat: 'JSON',
    content: NOTIFY_DOCUMENT,
    // A changed document becomes a new version, so that it keeps its name.
    updateMethod: 'NewVersion',
  });
}
