/**
 * What HAProxy needs for HTTP-01, either way, as `pemfleet haproxy-config` prints it. test/e2e/haproxy-snippet.test.ts runs both.
 */

const TO_RESPONDER = `# HTTP-01 by the responder. In the frontend of port 80, before any other use_backend:
    acl is_challenge path_beg /.well-known/acme-challenge/
    http-request redirect scheme https code 301 unless is_challenge
    use_backend acme_responder if is_challenge

backend acme_responder
    http-request deny deny_status 405 unless METH_GET
`;

/** Every request for a challenge goes to the responder. */
export function responderSnippet(responder: string): string {
  return `${TO_RESPONDER}    server responder ${responder}
`;
}

/**
 * The same for a responder behind a Lambda URL. Its addresses change, so HAProxy goes on asking for them ("resolvers"); it
 * answers 403 to another host name, and HAProxy sends no SNI of itself. Starts even while the DNS is down. A CA asks from many
 * places at once, and Lambda refuses (429) what is beyond the function's concurrency: so requests wait here ("maxconn").
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
