/** The files of HAProxy's configuration, as HAProxy itself names them. */
import { type ConfigLine, type HaproxyEnvironment, linesOf } from '#common/haproxy/config-lines.ts';
import { MAX_FOREIGN_BYTES } from '#contract/limits.ts';
import { readRegularFileSync } from '#storage/atomic-file.ts';

/**
 * @param env of HAProxy, as `show env` prints it
 * @returns undefined if HAProxy does not say which files it reads, or this user may not read them
 */
export function readConfigLines(env: HaproxyEnvironment): ConfigLine[] | undefined {
  const files = env['HAPROXY_CFGFILES']?.split(';').filter(Boolean) ?? [];
  if (files.length === 0) return undefined;
  try {
    return files.flatMap((file) =>
      linesOf(file, readRegularFileSync(file, MAX_FOREIGN_BYTES).toString('utf8'), env),
    );
  } catch {
    return undefined;
  }
}
