/**
 * HAProxy may hold one file under several names: the alias of a crt-store (`@web/site`, since 3.0), or a path that a bind spells
 * in another way. Each is a copy of its own, which an update of ours does not reach.
 */
import { posix } from 'node:path';
import { type HandshakeFailed, RuntimeCommandFailed } from '../errors.ts';
import type { Runtime } from './runtime.ts';

/**
 * @param serial of what a bind hands out
 * @param known names that the agent updates
 * @returns the other name under which HAProxy holds that certificate
 */
export async function otherNameOf(
  file: string,
  serial: string,
  known: readonly string[],
  runtime: Runtime,
): Promise<string | undefined> {
  const isCopy = (name: string) => name.startsWith('@') || posix.basename(name) === file;
  const names = (await runtime.showCertificateNames()).filter(
    (name) => isCopy(name) && !known.includes(name),
  );
  const certificates = await runtime.showCertificates(names);
  return names.find((name) => certificates.get(name)?.serial === serial);
}

/** The file is right: HAProxy reads it again, under each of its names, at its next reload. */
export function heldUnder(name: string, cause: HandshakeFailed): RuntimeCommandFailed {
  const what = name.startsWith('@') ? 'an alias of a crt-store' : 'another spelling of the path';
  const detail = `${cause.address} hands out the copy that HAProxy holds as ${name} (${what}), which the agent leaves alone: HAProxy reads the file at its next reload; or name the directory only once, with "crt DIR"`;
  return new RuntimeCommandFailed('ERR_RUNTIME_CRT_LIST', { verb: 'set ssl cert', filename: name }, detail, {
    cause,
  });
}
