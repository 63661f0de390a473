/** Words for settings in certbot, lego, acme.sh, cert-manager, Caddy and Traefik, each with what pemfleet.yaml has in its place. */
import { wordsFor } from '#common/settings/unknown-key.ts';

export const ISSUER_WORDS = wordsFor({
  'did you mean identifiers? It holds all names of a certificate: identifiers: [www.example.com]': [
    ...['domain', 'domains', 'name', 'names', 'san', 'sans', 'subjectAltNames', 'altNames', 'dnsNames'],
    ...['hostname', 'hostnames', 'commonName', 'cn', 'ipAddresses', 'main'],
  ],
  'did you mean acme.contact? It is a list of URLs: contact: [mailto:ops@example.com]': [
    ...['email', 'emails', 'mail', 'accountEmail', 'contactEmail', 'registrationEmail', 'contacts'],
  ],
  'did you mean acme.directoryUrl? It is letsencrypt, letsencrypt-staging, or the URL of a directory': [
    ...['server', 'ca', 'caServer', 'directory', 'acmeServer', 'acmeUrl', 'acmeCa', 'caUrl', 'url', 'issuer'],
    ...['issuerRef', 'authority', 'provider', 'staging', 'testCert', 'test', 'dryRun'],
  ],
  'did you mean fleets? Each certificate names the fleets that get it: fleets: [default]': ['fleet'],
  'there is no such setting: the renewal window of the CA (ARI) says when, or else a third of the lifetime (docs/config.md)':
    [
      ...[
        'renewBefore',
        'renewBeforeExpiry',
        'renewBeforePercentage',
        'renewBeforeDays',
        'renewDays',
        'days',
      ],
      ...['renewalWindowRatio', 'renewDynamic', 'arriDisable', 'renew'],
    ],
  'did you mean profile or acme.lifetime? The CA decides how long a certificate is valid; some have profiles':
    [...['duration', 'validity', 'validityDays', 'notAfter', 'expiry', 'validTo', 'certLifetime']],
  'did you mean keyType? It is ec256, ec384, rsa2048 or rsa4096': [
    ...['keySize', 'keyLength', 'key', 'keyAlgorithm', 'algorithm', 'rsaKeySize', 'ellipticCurve', 'curve'],
    ...['privateKey', 'size'],
  ],
  'did you mean reuseKey?': ['reusePrivateKey', 'rotationPolicy', 'alwaysReuseKey'],
  'did you mean acme.termsOfServiceAgreed: true?': ['agreeTos', 'tos', 'tosAgreed', 'acceptTos', 'agree'],
  'did you mean acme.externalAccountBinding, with kid and hmacKeyFile? The key itself stands in that file': [
    ...['eab', 'eabKid', 'eabHmacKey', 'hmac', 'hmacKey', 'hmacEncoded', 'keyId', 'externalAccount'],
  ],
  'did you mean challenge? It is http-01, http-01-stateless, dns-01 or dns-persist-01': [
    ...[
      'challenges',
      'challengeType',
      'solver',
      'solvers',
      'preferredChallenges',
      'authenticator',
      'webroot',
    ],
    ...['standalone', 'http', 'http01', 'httpChallenge', 'tlsAlpn01', 'tlsChallenge', 'plugin', 'installer'],
  ],
  'did you mean challenge: dns-01? It works with Route 53; dns.hostedZones holds what it cannot find': [
    ...['dns01', 'dnsChallenge', 'dnsProvider', 'dnsPlugin', 'dnsCredentials', 'route53', 'delayBeforeCheck'],
  ],
  'did you mean acme.preferredChain?': ['chain', 'preferredChainIssuer'],
  'did you mean acme.caFile?': ['caBundle', 'caCertificates', 'trustedRoots', 'acmeCaRoot', 'caCert'],
  'no hooks here: hosts load certificates by themselves; haproxy.reload in agent.yaml is the command for what needs a reload':
    [
      'postHook',
      'deployHook',
      'renewHook',
      'preHook',
      'hook',
      'hooks',
      'reloadCmd',
      'reloadCommand',
      'runHook',
    ],
  'did you mean bucket? It is where certificates are published: file:///var/lib/pemfleet/bucket or s3://bucket':
    [
      ...[
        'storage',
        'store',
        's3',
        's3Bucket',
        'output',
        'outDir',
        'path',
        'configDir',
        'certHome',
        'bucketUrl',
      ],
      ...['bucketName', 'fullchain', 'fullchainFile', 'keyFile', 'secretName', 'dir'],
    ],
  'did you mean wakeMinutes? pemfleet timer prints the timer that fits': [
    'interval',
    'schedule',
    'cron',
    'every',
  ],
  'did you mean mustStaple? It is refused: the CAs have ended it': ['mustStapled', 'ocspMustStaple', 'ocsp'],
  'it belongs into agent.yaml, the file of the agent on each host': [
    ...[
      'statsSocket',
      'certsDir',
      'crtListFile',
      'pem',
      'pollInterval',
      'stateDir',
      'watch',
      'trust',
      'host',
    ],
    'handshake',
  ],
  'YAML 1.2 has no merge key: write out what it stands for': ['<<'],
});
