/** The configuration as people write it, apart from config.ts: the Lambda gets JSON and needs no YAML. */
import { parse } from 'yaml';
import { ConfigError } from '#common/config-error.ts';
import { type Config, checkConfig } from './config.ts';

/** @param file name for messages. @throws ConfigError `ERR_CONFIG` with one line per issue */
export function parseConfig(file: string, text: string): Config {
  return checkConfig(file, readYaml(file, text));
}

/** @throws ConfigError `ERR_CONFIG`, in one line */
export function readYaml(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError('ERR_CONFIG', `${file} is not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}
