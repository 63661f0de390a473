/** The lines by which challenges of HTTP-01 get to the responder: before all that a frontend does with other requests. */
import { responderBackend, TOKEN_PATH } from '../../challenge/haproxy-lines.ts';
import { exemptLine } from './exempt.ts';
import {
  endOfFile,
  type HaproxyConfiguration,
  type PlanPart,
  sectionNamed,
  Unplannable,
} from './haproxy-config.ts';
import { bindsOf, hasPort, isFront, modeOf, type Section, settingOf } from './sections.ts';
import { rawLine } from './stats-socket.ts';
import { type Edit, insertion, replacement } from './text-edit.ts';

export interface Ports {
  http: number;
  https: number;
}

const CHALLENGE_PATH = '/.well-known/acme-challenge/';
/** What stands before the rules of a frontend. */
const HEAD_WORDS = new Set('bind mode description log maxconn option timeout tcp-request acl'.split(' '));
const ACL = 'pemfleet_challenge';
const TOKEN_ACL = 'pemfleet_token';

/** @param responder address and port of `pemfleet respond` */
export function planChallenges(config: HaproxyConfiguration, responder: string, ports: Ports): PlanPart {
  const fronts = config.sections.filter(isFront);
  const plain = fronts.filter((section) => hasBindOn(section, ports.http));
  const web = plain.filter((section) => modeOf(section) === 'http');
  const [first] = plain;
  if (first !== undefined && web.length === 0) {
    throw new Unplannable(
      `wanted a frontend in mode http on port ${ports.http}, saw ${first.kind} ${first.name} in mode tcp: set mode http, or prove names by --challenge dns-01`,
    );
  }
  // Something before HAProxy may send the CA to HTTPS.
  const tls = fronts.filter((one) => modeOf(one) === 'http' && bindsOf(one).some(({ isTls }) => isTls));
  const backend = backendName(config, responder);
  const open = [...new Set([...web, ...tls])].filter((section) => !isHandled(section, config, responder));
  const edits = open.flatMap((section) => linesInto(section, config, backend.name));
  const added = web.length === 0 ? [ownFrontend(config, backend.name, ports, fronts)] : [];
  const isUsed = edits.length + added.length > 0;
  return {
    edits: [
      ...edits,
      ...added,
      ...(isUsed && !backend.exists ? [ownBackend(config, backend.name, responder)] : []),
    ],
    notes: [...open.flatMap((section) => takenOver(section)), ...open.flatMap(inheritedRules)],
  };
}

const hasBindOn = (section: Section, port: number) =>
  bindsOf(section).some(({ addresses }) => addresses.some((address) => hasPort(address, port)));

/** Requests for challenges get to the responder, or to HAProxy's own answer from the thumbprint. */
function isHandled(section: Section, config: HaproxyConfiguration, responder: string): boolean {
  const isOurs = (name = '') => serves(sectionNamed(config, ['backend', 'listen'], name), responder);
  return section.lines.some(
    ({ words }) =>
      (words[0] === 'use_backend' && isOurs(words[1])) ||
      (words[0] === 'http-request' &&
        words[1] === 'return' &&
        words.includes('lf-string') &&
        hasToken(words)),
  );
}

const hasToken = (words: readonly string[]) => words.some((word) => word.includes('path,field(-1,/)'));

const serves = (backend: Section | undefined, responder: string) =>
  backend?.lines.some(({ words }) => words[0] === 'server' && words[2] === responder) ?? false;

function backendName(config: HaproxyConfiguration, responder: string): { name: string; exists: boolean } {
  const served = config.sections.find((one) => one.kind === 'backend' && serves(one, responder));
  if (served !== undefined) return { name: served.name, exists: true };
  const isTaken = (name: string) =>
    sectionNamed(config, ['backend', 'listen', 'frontend'], name) !== undefined;
  const name = ['acme_responder', 'pemfleet_responder'].find((one) => !isTaken(one));
  return { name: name ?? 'pemfleet_acme_responder', exists: false };
}

/** HAProxy joins what has one name by "or": a rule of the operator's would count for the responder, too. */
function freeAcl({ lines }: Section, name: string): string {
  const isTaken = (one: string) => lines.some(({ words }) => words[0] === 'acl' && words[1] === one);
  const names = [name, ...Array.from({ length: 9 }, (_, index) => `${name}_${index + 2}`)];
  return names.find((one) => !isTaken(one)) ?? `${name}_acme`;
}

/** Order of HAProxy: `http-request` rules, `redirect`, `use_backend`; a line elsewhere makes it warn. */
function linesInto(section: Section, config: HaproxyConfiguration, backend: string): Edit[] {
  const { file, indent } = section;
  const [acl, tokenAcl] = [freeAcl(section, ACL), freeAcl(section, TOKEN_ACL)];
  const isRule = ({ words: [first] }: { words: readonly string[] }) =>
    ['http-request', 'redirect', 'use_backend'].includes(first ?? '');
  const firstRule = section.lines.find(isRule);
  const earlier = section.lines.filter(
    ({ words: [first], number }) => HEAD_WORDS.has(first ?? '') && number < (firstRule?.number ?? Infinity),
  );
  const rules = insertion(file, earlier.at(-1)?.number ?? (firstRule?.number ?? section.end + 1) - 1, [
    `${indent}# pemfleet: challenges of ACME (HTTP-01) go to the responder, past the rules below`,
    `${indent}acl ${acl} path_beg ${CHALLENGE_PATH}`,
    `${indent}acl ${tokenAcl} path_reg ${TOKEN_PATH}`,
    `${indent}http-request return status 404 if ${acl} !${tokenAcl}`,
    `${indent}http-request allow if ${acl}`,
  ]);
  const redirects = section.lines.filter(({ words: [first] }) => first === 'redirect');
  const exempt = redirects.map(({ number }) =>
    replacement(file, number - 1, exemptLine(rawLine(config, file, number), acl, config.env)),
  );
  const firstUse = section.lines.find(({ words: [first] }) => first === 'use_backend');
  const lastRule = section.lines.findLast(isRule) ?? earlier.at(-1);
  const at = firstUse === undefined ? Math.max(lastRule?.number ?? 0, rules.at) : firstUse.number - 1;
  return [rules, ...exempt, insertion(file, at, [`${indent}use_backend ${backend} if ${acl}`])];
}

function ownFrontend(
  config: HaproxyConfiguration,
  backend: string,
  { http }: Ports,
  fronts: readonly Section[],
): Edit {
  const tls = fronts.flatMap(bindsOf).filter(({ isTls }) => isTls);
  const isForBoth = tls.some(({ addresses }) => addresses.some((one) => /^(\[::\]|::):/.test(one)));
  const file = (tls[0]?.section ?? fronts[0])?.file ?? lastFile(config);
  return insertion(file, endOfFile(config, file), [
    '',
    '# pemfleet: challenges of ACME (HTTP-01), and a redirect to HTTPS for everything else',
    'frontend pemfleet_http',
    `    bind ${isForBoth ? `:::${http} v4v6` : `:${http}`}`,
    '    mode http',
    '    timeout client 30s',
    `    acl ${ACL} path_beg ${CHALLENGE_PATH}`,
    `    acl ${TOKEN_ACL} path_reg ${TOKEN_PATH}`,
    `    http-request return status 404 if ${ACL} !${TOKEN_ACL}`,
    `    http-request redirect scheme https code 301 unless ${ACL}`,
    `    use_backend ${backend} if ${ACL}`,
  ]);
}

/** Its words undo what defaults may say of servers and requests. */
function ownBackend(config: HaproxyConfiguration, name: string, responder: string): Edit {
  const file = config.sections.find((one) => isFront(one))?.file ?? lastFile(config);
  const last = config.sections.findLast((one) => one.kind === 'defaults' && one.file === file);
  const defaults = last ?? config.sections.findLast(({ kind }) => kind === 'defaults');
  const server = defaults === undefined ? undefined : settingOf(defaults, 'default-server');
  const undo = [
    ...(server?.includes('ssl') ? ['no-ssl'] : []),
    ...(server?.includes('check') ? ['no-check'] : []),
    ...(server?.includes('send-proxy') ? ['no-send-proxy'] : []),
    ...(server?.includes('send-proxy-v2') ? ['no-send-proxy-v2'] : []),
  ];
  const text = responderBackend({ name, responder, serverOptions: undo });
  return insertion(file, endOfFile(config, file), ['', ...text.trimEnd().split('\n')]);
}

const lastFile = ({ texts }: HaproxyConfiguration) => texts.at(-1)?.file ?? '';

/** Another client's challenges: until its certificates end, they serve. */
function takenOver(section: Section): string[] {
  const acls = section.lines
    .filter(
      ({ words }) => words[0] === 'acl' && words.some((word) => word.startsWith(CHALLENGE_PATH.slice(0, -1))),
    )
    .map(({ words }) => words[1] ?? '');
  const uses = section.lines.filter(
    ({ words }) =>
      words[0] === 'use_backend' &&
      words.some((word) => acls.includes(word) || word.startsWith(CHALLENGE_PATH.slice(0, -1))),
  );
  return uses.map(
    ({ words }) =>
      `${section.kind} ${section.name} sends challenges to backend ${words[1]}: from now on they go to pemfleet's responder, and the other client's renewals by HTTP-01 fail. Its certificates stay in force until they expire; pemfleet init --undo gives the challenges back`,
  );
}

/** Rules of a `defaults` section run before those of the frontend. */
function inheritedRules(section: Section): string[] {
  const rules = section.defaults?.lines.filter(({ words: [first] }) => first === 'http-request') ?? [];
  const [first] = rules.filter(({ words }) =>
    ['redirect', 'deny', 'return', 'reject', 'auth', 'tarpit'].includes(words[1] ?? ''),
  );
  if (first === undefined) return [];
  return [
    `${first.file}:${first.number} is a rule of the defaults of ${section.kind} ${section.name}: it runs before the lines for challenges, and must not answer ${CHALLENGE_PATH}`,
  ];
}
