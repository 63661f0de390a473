/** The configuration as people write it. Apart from config.ts, because the Lambda gets it as JSON and needs no YAML. */
import { parse } from 'yaml';
import { ConfigError } from '#common/config-error.ts';
import { type Config, checkConfig } from './config.ts';

/** @throws ConfigError with one line per issue */
export function parseConfig(file: string, text: string): Config {
  return checkConfig(file, readYaml(file, text));
}

/** @throws ConfigError in one line */
export function readYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError('ERR_CONFIG', `${file} is not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}
