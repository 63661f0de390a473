/** HAProxy's lines for HTTP-01, as `pemfleet haproxy-config` prints them. test/e2e/haproxy-snippet.test.ts runs them in HAProxy. */

import { TOKEN } from '#contract/layout.ts';
import { SECRET_HEADER, SECRET_VARIABLE } from './secret-names.ts';

/** For `path_reg`: what asks for a token of HTTP-01, and nothing else (RFC 8555 §8.3). */
export const TOKEN_PATH = `^/\\.well-known/acme-challenge/${TOKEN.source.slice(1)}`;

/**
 * Anybody may ask. What is no token goes no further; what the CA has got once, it gets again from memory; while requests wait, the source
 * with the fewest that had no answer comes first, and those with many are refused. No source is limited for requests that are answered: a
 * CA that validates a thousand names asks a thousand times, and whoever points names at this HAProxy makes the CA ask for tokens that are
 * not here. A client that leaves frees no place: the Lambda goes on working for it. The counter is the third of HAProxy's three (sc2),
 * because people use the first two.
 */
const TO_RESPONDER = `    acl is_challenge path_beg /.well-known/acme-challenge/
    acl is_token path_reg ${TOKEN_PATH}
    http-request return status 404 if is_challenge !is_token
    http-request redirect scheme https code 301 unless is_challenge || { ssl_fc }
    use_backend acme_responder if is_challenge
`;

const RESPONDER_BACKEND = `cache acme_answers
    total-max-size 4
    max-age 10

backend acme_responder
    stick-table type ipv6 size 100k expire 1m store http_req_rate(10s),gpc0,gpc0_rate(10s),gpc1,gpc1_rate(10s)
    no option abortonclose
    http-request deny deny_status 405 unless METH_GET
    http-request cache-use acme_answers
    http-request track-sc2 src
    http-request set-var(txn.acme_answered) sc_gpc0_rate(2)
    http-request set-var(txn.acme_open) sc_http_req_rate(2),sub(txn.acme_answered)
    http-request deny deny_status 429 if { sc_gpc1_rate(2) gt 500 } || { var(txn.acme_open) -m int gt 1000 }
    http-request deny deny_status 429 if { sc_gpc1_rate(2) gt 100 } { queue(acme_responder) gt 0 }
    http-request deny deny_status 429 if { var(txn.acme_open) -m int gt 20 } { be_sess_rate(acme_responder) gt 1000 }
    http-request deny deny_status 429 if { var(txn.acme_open) -m int gt 40 } { queue(acme_responder) gt 2000 }
    http-request set-priority-class var(txn.acme_open)
    http-response sc-inc-gpc0(2) if { status 200 }
    http-response sc-inc-gpc1(2) if { status 404 }
    http-response set-header Cache-Control max-age=10 if { status 200 }
    http-response cache-store acme_answers
    timeout queue 10s
`;

const SECRET_LINE = `    http-request set-header ${SECRET_HEADER} %[env(${SECRET_VARIABLE})]
`;

/** Lines for HAProxy by where they belong. */
export interface HaproxyLines {
  /** Inside the frontend of port 80, and inside that of port 443: where something in front of HAProxy redirects, the CA comes there. */
  frontend: string;
  /** Sections of their own, or a file of their own beside haproxy.cfg; empty: there are none. */
  sections: string;
}

/** HAProxy hands every request for a challenge to the responder. */
export function responderLines(responder: string): HaproxyLines {
  return {
    frontend: TO_RESPONDER,
    sections: `${RESPONDER_BACKEND}    server responder ${responder} maxconn 50\n`,
  };
}

/** Names the backend and its cache, and what the defaults of a configuration must not say of its server. */
export interface ResponderBackend {
  name: string;
  responder: string;
  serverOptions: readonly string[];
}

/** The sections of the backend alone, whatever the defaults above it say. */
export function responderBackend({ name, responder, serverOptions }: ResponderBackend): string {
  const lines = RESPONDER_BACKEND.replaceAll('acme_responder', name)
    .replaceAll('acme_answers', `${name}_answers`)
    .replace(/^(backend .*)$/m, '$1\n    mode http\n    timeout connect 5s\n    timeout server 30s');
  const server = ['server responder', responder, 'maxconn 50', ...serverOptions].join(' ');
  return `# pemfleet: the responder of "pemfleet respond" answers challenges; floods wait, and are refused\n${lines}    ${server}\n`;
}

/**
 * The same for a responder behind a Lambda URL. Its addresses change, so HAProxy keeps resolving them ("resolvers"), and starts
 * even while the DNS is down. The URL answers 403 to a foreign host name, and HAProxy sends no SNI by default: both are set. A CA
 * validates from many networks at once, and Lambda refuses (429) what exceeds the function's concurrency: requests wait here ("maxconn").
 * @param isClosed whether the URL answers to a secret only: HAProxy has it in its environment, and no line of ours holds it
 */
export function functionUrlLines(host: string, isClosed = false): HaproxyLines {
  const sections = `${RESPONDER_BACKEND}    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header Host ${host}
${isClosed ? SECRET_LINE : ''}    retries 2
    retry-on conn-failure empty-response
    option redispatch
    server-template lambda 2 ${host}:443 maxconn 5 ssl verify required ca-file @system-ca verifyhost ${host} sni str(${host}) alpn http/1.1 resolvers acme_dns resolve-prefer ipv4 init-addr none

resolvers acme_dns
    parse-resolv-conf
    hold valid 10s
    accepted_payload_size 1232
`;
  return { frontend: TO_RESPONDER, sections };
}

/**
 * HAProxy answers itself (RFC 8555 §8.1: token, dot, thumbprint of the account key).
 * @param thumbprint RFC 7638, base64url
 */
export function statelessLines(thumbprint: string): HaproxyLines {
  const frontend = `    acl is_challenge path_beg /.well-known/acme-challenge/
    # only well-formed tokens, so that nothing else is reflected
    acl is_token path_reg ${TOKEN_PATH}
    http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].${thumbprint}" if is_token
    http-request return status 404 if is_challenge
    http-request redirect scheme https code 301 unless { ssl_fc }
`;
  return { frontend, sections: '' };
}

/** Both parts, each with a line that says where it belongs. */
export function snippetOf({ frontend, sections }: HaproxyLines): string {
  const first = `# Part 1, inside the frontends of ports 80 and 443, before any other use_backend or http-request:\n${frontend}`;
  if (sections === '') return first;
  return `${first}\n# Part 2, at the end of the file or in a file of its own, inside no frontend:\n${sections}`;
}
