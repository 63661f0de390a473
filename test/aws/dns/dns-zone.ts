// What an authoritative name server of Route 53 answers (RFC 1034 §4.3.2): CNAMEs followed within the zones, wildcards
// (RFC 4592), and "no such name" told from "no such record".
import type { Answer, RecordType } from 'dns-packet';
import { isInside, parentOf } from '../route53/names.ts';
import { type RecordSet, textStrings } from '../route53/records.ts';
import { delegatedZone, type Zone, type Zones } from '../route53/zones.ts';

export type ReturnCode = 'NOERROR' | 'NXDOMAIN' | 'REFUSED';

export interface DnsAnswer {
  code: ReturnCode;
  answers: Answer[];
  authorities: Answer[];
}

/** CNAMEs in a row that are followed. */
const longestChain = 16;

/** @param asked a name as it was asked for, in any letters */
export function answerQuestion(zones: Zones, asked: string, type: RecordType): DnsAnswer {
  const answers: Answer[] = [];
  let name = `${asked.toLowerCase()}.`;
  for (let step = 0; step < longestChain; step += 1) {
    const zone = delegatedZone(zones, name);
    // a chain that leaves the zones is the resolver's to follow
    if (!zone) return { code: step === 0 ? 'REFUSED' : 'NOERROR', answers, authorities: [] };
    const found = lookUp(zones.served(zone), zone, name);
    if (found === 'none') return { code: 'NXDOMAIN', answers, authorities: [soaOf(zones, zone)] };
    const alias = found.find((set) => set.type === 'CNAME');
    const wanted = found.filter((set) => set.type === type);
    answers.push(...(alias ? [alias] : wanted).flatMap((set) => answersOf(set, name)));
    const target = alias?.values[0];
    if (target === undefined || type === 'CNAME') {
      const isEmpty = wanted.length === 0 && alias === undefined;
      return { code: 'NOERROR', answers, authorities: isEmpty ? [soaOf(zones, zone)] : [] };
    }
    name = `${target.replace(/\.$/, '').toLowerCase()}.`;
  }
  return { code: 'NOERROR', answers, authorities: [] };
}

/** The record sets at a name, by a wildcard if it does not exist; 'none' if that does not either. */
function lookUp(records: readonly RecordSet[], zone: Zone, name: string): RecordSet[] | 'none' {
  const at = (wanted: string) => records.filter((set) => set.name === wanted);
  // also without records of its own: when there are some below it
  const exists = (wanted: string) => records.some((set) => isInside(set.name, wanted));
  if (exists(name)) return at(name);
  let encloser = parentOf(name);
  while (encloser !== zone.name && !exists(encloser)) encloser = parentOf(encloser);
  const wildcard = at(`*.${encloser}`);
  return wildcard.length > 0 ? wildcard : 'none';
}

/** @param name of the answer: for a wildcard, the one that was asked for */
function answersOf({ type, ttl, values }: RecordSet, name: string): Answer[] {
  return values.flatMap((value): Answer[] => {
    const place = { name: bare(name), ttl };
    switch (type) {
      case 'TXT':
        return [{ ...place, type, data: textStrings(value) ?? [] }];
      case 'A':
      case 'AAAA':
        return [{ ...place, type, data: value }];
      case 'CNAME':
      case 'NS':
        return [{ ...place, type, data: bare(value) }];
      case 'SOA':
        return [{ ...place, type, data: soaData(value) }];
      case 'CAA': {
        const [, flags = '0', tag = '', text = ''] = /^(\d+) (\w+) "(.*)"$/.exec(value) ?? [];
        return [{ ...place, type, data: { flags: Number(flags), tag: tag as 'issue', value: text } }];
      }
      default:
        return [];
    }
  });
}

/** Goes with an answer that holds nothing (RFC 2308). */
function soaOf(zones: Zones, zone: Zone): Answer {
  const soa = zones.served(zone).find(({ type, name }) => type === 'SOA' && name === zone.name);
  return answersOf(soa as RecordSet, zone.name)[0] as Answer;
}

function soaData(value: string) {
  const [mname = '', rname = '', ...numbers] = value.split(' ');
  const [serial = 1, refresh = 0, retry = 0, expire = 0, minimum = 0] = numbers.map(Number);
  return { mname: bare(mname), rname: bare(rname), serial, refresh, retry, expire, minimum };
}

const bare = (name: string) => name.replace(/\.$/, '');
