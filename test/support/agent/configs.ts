// HAProxy configurations that load certificates in other ways than the shipped one.

/** How a bind of HAProxy finds its certificates. */
export type Way = 'crt DIR' | 'crt-list FILE';

const head = `global
  stats socket "\${PEMFLEET_SOCKET}" mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
`;

const frontend = (name: string, bind: string, ssl: string) =>
  `frontend ${name}\n  bind "\${${bind}}" ssl ${ssl}\n  http-request return status 200\n`;

/** These lines, which end the frontend and may open a backend, in plain HTTP. */
export const withLines = (lines: string, port: number) =>
  `${head}frontend http\n  bind 127.0.0.1:${port}\n${lines}`;

/** As people paste them: the frontend's part into both frontends, which have pages of their own, and the sections at the end. */
export const withParts = ({ frontend: lines, sections }: { frontend: string; sections: string }) =>
  `${head}frontend http
  bind "\${PEMFLEET_HTTP_BIND}"
${lines}  default_backend pages
frontend https
  bind "\${PEMFLEET_HTTPS_BIND}" ssl crt "\${PEMFLEET_CERTS_DIR}" strict-sni
${lines}  default_backend pages
backend pages
  http-request return status 200 content-type text/plain string page
${sections}`;

export const byList = (list: string) =>
  head + frontend('a', 'PEMFLEET_HTTPS_BIND', `crt-list ${list} strict-sni`);

/** What follows `ssl` on the one bind. */
export const withBind = (ssl: string) => head + frontend('a', 'PEMFLEET_HTTPS_BIND', ssl);

/** Each file by its own name. */
export const byFiles = (...files: string[]) =>
  head + frontend('a', 'PEMFLEET_HTTPS_BIND', `${files.map((file) => `crt ${file}`).join(' ')} strict-sni`);

/** `a` and `b` are what follows `ssl` on two binds. */
export const twoBinds = (a: string, b: string) =>
  head + frontend('a', 'PEMFLEET_HTTPS_BIND', a) + frontend('b', 'PEMFLEET_HTTP_BIND', b);

/** Without variables, so that `haproxy -c` can read it too. */
export const byDirectory = ({ socket, certs, port }: { socket: string; certs: string; port: number }) =>
  `${head}frontend a\n  bind 127.0.0.1:${port} ssl crt ${certs} strict-sni\n  http-request return status 200\n`.replace(
    /"[^"]*SOCKET[^"]*"/,
    socket,
  );

/** The same limit in all versions: 3.4 takes payloads that are larger than its buffer. */
export const withSmallPayloads = (configText: string, version: string) =>
  version === '3.4'
    ? configText.replace('global\n', 'global\n  tune.cli.max-payload-size 16384\n')
    : configText;

/** Without strict-sni: the first certificate is the default one. */
export const loose = head + frontend('a', 'PEMFLEET_HTTPS_BIND', `crt "\${PEMFLEET_CERTS_DIR}"`);

/** A client that does not read is cut off after `seconds`. */
export const patient = (seconds: number) =>
  head.replace('level admin\n', `level admin\n  stats timeout ${seconds}s\n`) +
  frontend('a', 'PEMFLEET_HTTPS_BIND', `crt "\${PEMFLEET_CERTS_DIR}" strict-sni`);

/** HAProxy 3.0 and later: names that are no paths. */
export const byStore = (certs: string) =>
  `${head}crt-store web\n  crt-base ${certs}\n  load crt shop.pem alias site\n` +
  frontend('a', 'PEMFLEET_HTTPS_BIND', 'crt @web/site strict-sni');

/** HAProxy 3.4: TCP and QUIC, with one directory. */
export const withQuic = (port: number) =>
  `${head}${frontend('a', 'PEMFLEET_HTTPS_BIND', `crt "\${PEMFLEET_CERTS_DIR}" strict-sni`)}  bind quic4@127.0.0.1:${port} ssl crt "\${PEMFLEET_CERTS_DIR}" strict-sni alpn h3\n`;

/** HAProxy 3.0 and later: a bind with the alias of one of our files, and with our directory. */
export const byStoreAndDirectory = (certs: string) =>
  `${head}crt-store web\n  load crt ${certs}/shop.pem alias site\n` +
  frontend('a', 'PEMFLEET_HTTPS_BIND', `crt @web/site crt ${certs} strict-sni`);
