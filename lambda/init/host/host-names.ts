/** Names of hosts that a HAProxy's configuration routes: its ACLs on Host and SNI, and its maps. */
import { isAbsolute, join } from 'node:path';
import type { ConfigLine } from '#common/haproxy/config-lines.ts';
import { positionOf } from '#common/haproxy/config-lines.ts';
import { readRegularFile } from '#storage/atomic-file.ts';
import type { HaproxyConfiguration } from '../plan/haproxy-config.ts';

export interface NamedHost {
  name: string;
  /** `FILE:LINE`. */
  at: string;
}

/** What compares a whole name; `hdr_end`, `hdr_reg` and their kin match names that nobody can list. */
const FETCH =
  /^!?(?:(?:req\.)?(?:fhdr|hdr)(?:_dom)?\(host(?:,-?\d+)?\)|(?:req\.|req_|ssl_fc_)?ssl_sni|ssl_fc_sni)((?:,[^\s]+)?)$/i;
const LISTABLE_MATCHES = ['str', 'dom'];
/** Converters that leave a name a name. */
const HARMLESS = /^(,(lower|field\(1,:\)|word\(1,:\)|host_only))*$/;
const MAP = /(?:hdr\(host\)|ssl_sni|ssl_fc_sni)[^\s]*?,map(?:_str|_dom)?\(([^,)]+)/gi;
const MAX_FILE_BYTES = 1_000_000;

export async function readHostNames(
  { sections }: HaproxyConfiguration,
  directory: string,
): Promise<NamedHost[]> {
  const lines = sections.flatMap((section) => section.lines);
  const hosts: NamedHost[] = [];
  for (const line of lines) {
    const at = positionOf(line);
    for (const name of [...comparedIn(line), ...(await listedFor(line, directory))]) hosts.push({ name, at });
  }
  return hosts.map((host) => ({
    ...host,
    name: host.name.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, ''),
  }));
}

/** Each fetch begins a comparison: what follows are its flags, then its patterns. */
function comparedIn({ words }: ConfigLine): string[] {
  return words.flatMap((word, index) => {
    const converters = FETCH.exec(word)?.[1];
    if (converters === undefined || !HARMLESS.test(converters)) return [];
    return patternsAt(words, index + 1).patterns;
  });
}

function patternsAt(words: readonly string[], from: number): { patterns: string[]; files: string[] } {
  const patterns: string[] = [];
  const files: string[] = [];
  for (let index = from; index < words.length; index++) {
    const word = words[index] ?? '';
    const next = words[index + 1] ?? '';
    if (word === '}') break;
    if (word === '-m' && !LISTABLE_MATCHES.includes(next)) return { patterns: [], files: [] };
    if (word === '-f') files.push(next);
    if (['-m', '-f', '-M', '-u'].includes(word)) index += word === '-M' ? 0 : 1;
    else if (!word.startsWith('-')) patterns.push(word);
  }
  return { patterns, files };
}

async function listedFor({ words }: ConfigLine, directory: string): Promise<string[]> {
  const files = words.flatMap((word, index) => (FETCH.test(word) ? patternsAt(words, index + 1).files : []));
  const maps = [...words.join(' ').matchAll(MAP)].map(([, file = '']) => file);
  const names: string[] = [];
  for (const file of [...files, ...maps]) {
    const path = isAbsolute(file) ? file : join(directory, file);
    const text = await readRegularFile(path, MAX_FILE_BYTES).then(String, () => '');
    const rows = text.split('\n');
    names.push(
      ...rows.map((row) => row.trim().split(/\s+/)[0] ?? '').filter((row) => row && !row.startsWith('#')),
    );
  }
  return names;
}
