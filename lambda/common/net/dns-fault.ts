/** Why a resolver gave no answer, for people: a name server that nobody reaches says nothing about the name. */

/** Of c-ares: no server takes the question (with none in /etc/resolv.conf it asks this machine), or none answers it in time. */
const UNREACHED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ETIMEOUT']);

/** Pure. @param code of `node:dns` */
export function isUnreached(code: string | undefined): boolean {
  return code !== undefined && UNREACHED.has(code);
}

/** Pure. @param code of `node:dns` */
export function dnsFaultText(code: string): string {
  return isUnreached(code) ? `no name server answers this machine (${code})` : code;
}

/** @param setting of pemfleet.yaml that names other servers */
export function nameServerAdvice(setting: 'dns.resolvers' | 'probe.resolvers'): string {
  return `name a server that answers in /etc/resolv.conf, or in ${setting}`;
}
