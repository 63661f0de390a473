// Configurations of HAProxy as people have them, and what init must make of each.

export interface Paths {
  /** Directory of the configuration; certificates of today are in `live/` and `own/`. */
  home: string;
  http: number;
  https: number;
}

export interface KnownConfiguration {
  title: string;
  text: (paths: Paths) => string;
  /** Names that visitors get a certificate for today. */
  today: readonly string[];
  /** A line that the diff must hold. */
  adds?: (paths: Paths) => string;
}

const global = (home: string) => `global
    stats socket ${home}/admin.sock mode 600 level admin
`;
const defaults = `defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
`;
const page = (text = 'page') => `http-request return status 200 content-type text/plain string ${text}`;

/** The file of Debian's package, as 2.6 and 3.0 have it, but for paths of a machine. */
const debian = ({ home }: Paths) => `global
	log 127.0.0.1	local0
	log 127.0.0.1	local1 notice
	stats socket ${home}/admin.sock mode 660 level admin
	stats timeout 30s

	# Default SSL material locations
	ca-base /etc/ssl/certs
	crt-base /etc/ssl/private

	# See: https://ssl-config.mozilla.org/#server=haproxy&server-version=2.0.3&config=intermediate
        ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256
        ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
        ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets

defaults
	log	global
	mode	http
	option	httplog
	option	dontlognull
        timeout connect 5000
        timeout client  50000
        timeout server  50000
`;

export const configurations: readonly KnownConfiguration[] = [
  { title: "Debian's shipped file", text: debian, today: [], adds: ({ https }) => `bind :${https} ssl crt` },
  {
    title: "certbot's users: one PEM, a redirect of everything",
    text: ({ home, http, https }) => `${global(home)}
${defaults}
frontend www
    bind *:${http}
    bind *:${https} ssl crt ${home}/live/www.example.com.pem alpn h2,http/1.1   # certbot
    redirect scheme https code 301 if !{ ssl_fc }
    acl letsencrypt path_beg /.well-known/acme-challenge/
    use_backend certbot if letsencrypt
    default_backend app

backend certbot
    server certbot 127.0.0.1:8888

backend app
    ${page()}
`,
    today: ['www.example.com'],
    adds: ({ home }) => `ssl crt ${home}/live/www.example.com.pem`,
  },
  {
    title: "acme.sh's users: a directory of PEMs",
    text: ({ home, http, https }) => `${global(home)}
${defaults}
frontend http
    bind :${http}
    http-request redirect scheme https code 301 unless { path_beg /.well-known/acme-challenge/ }
frontend https
    bind :${https} ssl crt ${home}/live/ alpn h2,http/1.1
    default_backend app
backend app
    ${page()}
`,
    today: ['www.example.com', 'shop.example.com'],
  },
  {
    title: 'several frontends, several binds, tabs and no empty lines',
    text: ({ home, http, https }) => `${global(home)}${defaults}frontend plain
	bind 127.0.0.1:${http} name plain
	redirect prefix https://www.example.com if { hdr(host) -i example.com } || { hdr(host) -i old.example.com }
	redirect scheme https
frontend tls-a
	bind 127.0.0.1:${https} name a ssl crt ${home}/own/a.pem no-sslv3 # the shop
	http-request deny if { path_beg /admin }
	use_backend app if { hdr(host) -i shop.example.com }
	default_backend app
frontend tls-b
	bind unix@${home}/b.sock ssl crt ${home}/own/a.pem accept-proxy
	default_backend app
backend app
	${page()}
`,
    today: ['a.example.net'],
  },
  {
    title: 'mode tcp, sorted by SNI, with a bind behind that ends TLS',
    text: ({ home, http, https }) => `${global(home)}
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    mode http
    bind :${http}
    ${page('plain')}
frontend sni
    mode tcp
    bind :${https}
    tcp-request inspect-delay 5s
    tcp-request content accept if { req.ssl_hello_type 1 }
    use_backend elsewhere if { req.ssl_sni -i mail.example.com }
    default_backend local
backend elsewhere
    mode tcp
    server mail 192.0.2.25:443
backend local
    mode tcp
    server local unix@${home}/tls.sock send-proxy-v2
frontend tls
    mode http
    bind unix@${home}/tls.sock accept-proxy ssl crt ${home}/own/a.pem alpn h2,http/1.1
    ${page()}
`,
    today: ['a.example.net'],
  },
  {
    title: 'one listen section for everything',
    text: ({ home, http, https }) => `${global(home)}
${defaults}
listen web
    bind :${http}
    bind :${https} ssl crt ${home}/own/a.pem
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    server app 127.0.0.1:8080 check inter 60s
`,
    today: ['a.example.net'],
  },
  {
    title: 'a crt-list',
    text: ({ home, http, https }) => `${global(home)}
${defaults}
frontend http
    bind :${http}
    http-request redirect scheme https
frontend https
    bind :${https} ssl strict-sni crt-list ${home}/crt-list.txt
    ${page()}
`,
    today: ['a.example.net'],
  },
  {
    title: 'a bind with many options, quotes and variables; conditions around sections',
    text: ({ home, http, https }) => `${global(home)}
${defaults}
.if defined(NOWHERE)
frontend never
    bind :${http} ssl crt /nowhere
.endif
frontend https
    bind "\${HTTPS_BIND-:${https}}" interface lo ssl crt '${home}/own/a.pem' verify optional ca-file ${home}/ca.pem ciphers ECDHE-ECDSA-AES128-GCM-SHA256 alpn h2,http/1.1 maxconn 100
.if !defined(NOWHERE)
    ${page()}
.endif
`,
    today: ['a.example.net'],
    adds: ({ http }) => `bind :${http}`,
  },
  {
    title: 'HTTP alone, with its application',
    text: ({ home, http }) => `${global(home)}
${defaults}
frontend www
    bind :::${http} v4v6
    acl is_static path_beg /static
    use_backend app if is_static
    default_backend app
backend app
    ${page()}
`,
    today: [],
    adds: ({ https }) => `bind :::${https} v4v6 ssl crt`,
  },
  {
    title: 'no global section, defaults with a server of TLS and checks',
    text: ({ http }) => `defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    default-server ssl verify none check inter 60s
frontend www
    bind :${http}
    stats enable
    ${page()}
`,
    today: [],
    adds: () => 'no-ssl no-check',
  },
  {
    title: 'a stats socket of monitoring, one of root, and CRLF at the ends of lines',
    text: ({ home, http, https }) =>
      `global
    stats socket ${home}/monitoring.sock mode 666 level user
    stats timeout 10s
${defaults}
frontend https
    bind :${http}
    bind :${https} ssl crt ${home}/own/a.pem
    ${page()}
`.replaceAll('\n', '\r\n'),
    today: ['a.example.net'],
    adds: ({ home }) => `stats socket ${home}/pemfleet.sock`,
  },
  {
    title: 'a wildcard certificate of today',
    text: ({ home, http, https }) => `${global(home)}
${defaults}
frontend https
    bind :${http}
    bind :${https} ssl crt ${home}/own/wild.pem
    ${page()}
`,
    today: ['x.wild.example.com'],
  },
];
