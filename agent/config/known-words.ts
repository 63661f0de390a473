/** Words that people use for the agent's settings, each with what agent.yaml has in its place. */
import { wordsFor } from '#common/settings/unknown-key.ts';

export const AGENT_WORDS = wordsFor({
  'did you mean haproxy.statsSocket?': ['socket', 'adminSocket', 'runtimeApi', 'haproxySocket', 'sock'],
  'did you mean haproxy.certsDir?': [
    ...['certs', 'crt', 'certificatesDir', 'certificateDir', 'sslDir', 'pemDir', 'certPath', 'dir'],
  ],
  'did you mean haproxy.handshake?': ['binds', 'bind', 'listen', 'proofs', 'addresses'],
  'did you mean haproxy.reload.command?': ['reloadCommand', 'reloadCmd', 'hook', 'postHook', 'deployHook'],
  'did you mean bucket? It is file:///var/lib/pemfleet/bucket or s3://bucket': [
    ...['storage', 'store', 's3', 's3Bucket', 'bucketUrl', 'bucketName', 'source', 'url', 'server'],
  ],
  'did you mean fleet? A host belongs to one': ['fleets', 'group', 'cluster'],
  'did you mean host?': ['hostname', 'name', 'node', 'hostId', 'instance'],
  'did you mean pem.owner?': ['owner', 'user', 'uid'],
  'did you mean pem.group?': ['gid'],
  'did you mean pem.mode?': ['mode', 'permissions', 'chmod'],
  'did you mean pollInterval? It is a number of seconds': [
    'interval',
    'poll',
    'pollSeconds',
    'every',
    'schedule',
  ],
  'did you mean stateDir?': ['state', 'dataDir', 'workDir'],
  'did you mean trust.key?': ['signingKey', 'publicKey', 'key'],
  'it belongs into pemfleet.yaml, the file of the issuer': [
    ...['acme', 'certificates', 'identifiers', 'challenge', 'domains', 'email', 'contact', 'directoryUrl'],
    ...['termsOfServiceAgreed', 'keyType', 'wakeMinutes'],
  ],
  'AWS is set by the environment: AWS_REGION, AWS_ENDPOINT_URL_S3, or ?region= and ?endpoint= of the bucket':
    [...['region', 'endpoint', 'profile', 'accessKey', 'accessKeyId', 'secretKey', 'secretAccessKey']],
  'YAML 1.2 has no merge key: write out what it stands for': ['<<'],
});
