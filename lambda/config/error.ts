/** How a configuration file that its schema refuses is told to the operator. */
import { ConfigError, type ConfigIssue, issueLines } from '#common/config-error.ts';

/** One line for each fault, with the path of the culprit. */
export function configError(file: string, { issues }: { issues: readonly ConfigIssue[] }): ConfigError {
  const lines = issueLines(issues).map((line) => `  ${line}`);
  return new ConfigError('ERR_CONFIG', `${file} was refused:\n${lines.join('\n')}`);
}
