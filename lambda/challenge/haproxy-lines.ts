/** HAProxy's lines for HTTP-01, as `pemfleet haproxy-config` prints them. test/e2e/haproxy-snippet.test.ts runs them in HAProxy. */

const TO_RESPONDER = `# HTTP-01 by the responder. In the frontend of port 80, before any other use_backend:
    acl is_challenge path_beg /.well-known/acme-challenge/
    http-request redirect scheme https code 301 unless is_challenge
    use_backend acme_responder if is_challenge

backend acme_responder
    http-request deny deny_status 405 unless METH_GET
`;

/** HAProxy hands every request for a challenge to the responder. */
export function responderSnippet(responder: string): string {
  return `${TO_RESPONDER}    server responder ${responder}
`;
}

/**
 * The same for a responder behind a Lambda URL. Its addresses change, so HAProxy keeps resolving them ("resolvers"), and starts
 * even while the DNS is down. The URL answers 403 to a foreign host name, and HAProxy sends no SNI by default: both are set. A CA
 * validates from many networks at once, and Lambda refuses (429) what exceeds the function's concurrency: requests wait here ("maxconn").
 */
export function functionUrlSnippet(host: string): string {
  return `${TO_RESPONDER}    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header Host ${host}
    retries 2
    retry-on conn-failure empty-response response-timeout
    option redispatch
    timeout queue 10s
    server-template lambda 2 ${host}:443 maxconn 5 ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt verifyhost ${host} sni str(${host}) alpn http/1.1 resolvers acme_dns resolve-prefer ipv4 init-addr none

resolvers acme_dns
    parse-resolv-conf
    hold valid 10s
    accepted_payload_size 1232
`;
}

/**
 * HAProxy answers itself (RFC 8555 §8.1: token, dot, thumbprint of the account key).
 * @param thumbprint RFC 7638, base64url
 */
export function statelessSnippet(thumbprint: string): string {
  return `# Stateless HTTP-01 for the account with this thumbprint. In the frontend of port 80, before any other rule:
    acl is_challenge path_beg /.well-known/acme-challenge/
    # only well-formed tokens, so that nothing else is reflected
    acl is_token path_reg ^/\\.well-known/acme-challenge/[A-Za-z0-9_-]{16,256}$
    http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].${thumbprint}" if is_token
    http-request return status 404 if is_challenge
    http-request redirect scheme https code 301
`;
}
