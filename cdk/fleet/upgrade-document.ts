/**
 * The document by which `pemfleet upgrade-agents` upgrades hosts. It carries the scripts of cdk/host/, so that old hosts upgrade by new scripts.
 * Its parameters reach them as environment variables (interpolationType) and must match patterns, so no shell ever parses them.
 */
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { hostFile } from './agent-release.ts';

/** A here-document: the shell takes the file as it is. */
const written = (name: string) =>
  `cat >"$scripts/${name}" <<'END_OF_${name}'\n${hostFile(name)}END_OF_${name}`;

const script = (bucketUrl: string, region: string) => `set -eu
root=\${DESTDIR:-}
if [ "\${SSM_action:-}" = back ]; then
    exec 9>"$root/usr/lib/pemfleet/.lock"
    flock 9
    program=$root/usr/bin/pemfleet-agent
    # Only from the release that failed: where it has not come, the agent before is the one that runs.
    if [ -n "\${SSM_release:-}" ] && is=$("$program" version 2>/dev/null) && [ "\${is##* }" != "$SSM_release" ]; then
        echo "the agent is $is, not $SSM_release: there is nothing to take back"
        exit 0
    fi
    exec sh "$root/usr/lib/pemfleet/back.sh"
fi
[ -n "\${SSM_release:-}" ] || { echo "no release is named: the SSM agent is older than 3.3.2746.0, or none was given" >&2; exit 1; }
scripts=$(mktemp -d)
trap 'rm -rf "$scripts"' EXIT
${written('fetch-agent.py')}
${written('install-agent.sh')}
sh "$scripts/install-agent.sh" '${bucketUrl}' '${region}' "$SSM_release"`;

/** @internal */
export function upgradeDocument(bucketUrl: string, region: string) {
  return {
    schemaVersion: '2.2',
    description: 'pemfleet: upgrades the agent of a host, or puts the former one back',
    parameters: {
      action: {
        type: 'String',
        description: 'upgrade, or back.',
        allowedPattern: '^(upgrade|back)$',
        interpolationType: 'ENV_VAR',
      },
      release: {
        type: 'String',
        description: 'Version to upgrade to, or to go back from; empty to go back from any.',
        allowedPattern: '^[0-9A-Za-z.+-]{0,64}$',
        interpolationType: 'ENV_VAR',
      },
    },
    mainSteps: [
      {
        action: 'aws:runShellScript',
        name: 'upgrade',
        precondition: { StringEquals: ['platformType', 'Linux'] },
        // The fetcher tries for ten minutes.
        inputs: { runCommand: script(bucketUrl, region).split('\n'), timeoutSeconds: '1800' },
      },
    ],
  };
}

/** @param bucketUrl as hosts ask for it */
export function createUpgradeDocument(scope: Construct, bucketUrl: string, region: string): CfnDocument {
  return new CfnDocument(scope, 'UpgradeDocument', {
    documentType: 'Command',
    documentFormat: 'JSON',
    content: upgradeDocument(bucketUrl, region),
    updateMethod: 'NewVersion',
  });
}
