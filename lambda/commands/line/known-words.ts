/** Commands and options of certbot, lego and acme.sh, each with what `pemfleet` has in its place. */

export const COMMAND_WORDS: Readonly<Record<string, string>> = {
  ...wordsFor('run', ['certonly', 'issue', 'order', 'obtain', 'start', 'sync', 'apply', 'reconcile']),
  ...wordsFor('status', ['certificates', 'list', 'ls', 'show', 'info', 'get']),
  ...wordsFor('plan --check', ['check', 'test', 'verify', 'validate', 'configtest', 'lint', 'preflight']),
  ...wordsFor('account', ['register', 'update_account', 'unregister', 'registration']),
  ...wordsFor('withdraw', ['delete', 'remove', 'rm', 'uninstall']),
  ...wordsFor('respond', ['responder', 'serve', 'server', 'listen', 'standalone']),
  ...wordsFor('haproxy-config', ['haproxy', 'snippet', 'config']),
};

const IN_FILE = 'names stand in pemfleet.yaml, as identifiers of a certificate';

export const OPTION_WORDS: Readonly<Record<string, string>> = {
  ...wordsFor(IN_FILE, ['d', 'domain', 'domains', 'cert-name', 'san']),
  ...wordsFor('acme.contact in pemfleet.yaml names it', ['m', 'email']),
  ...wordsFor('acme.directoryUrl in pemfleet.yaml names the CA, letsencrypt-staging for a test', [
    ...['server', 'staging', 'test-cert', 'test'],
  ]),
  ...wordsFor('acme.termsOfServiceAgreed: true in pemfleet.yaml says it', ['agree-tos', 'accept-tos']),
  ...wordsFor('did you mean --force-renewal, with --only NAME?', ['force', 'f', 'renew']),
  ...wordsFor('challenge in pemfleet.yaml says how names are proven', [
    ...['webroot', 'w', 'standalone', 'dns', 'http', 'preferred-challenges', 'tls'],
  ]),
  ...wordsFor('pemfleet asks only where --yes is an option', ['n', 'non-interactive', 'y', 'assume-yes']),
  ...wordsFor('all events are logged; --log-format json has each field', ['v', 'verbose', 'debug']),
  ...wordsFor('did you mean --config FILE?', ['config-file', 'conf', 'configuration', 'config-dir', 'f']),
  ...wordsFor('hosts load certificates by themselves: agent.yaml has haproxy.reload', [
    ...['deploy-hook', 'post-hook', 'pre-hook', 'renew-hook', 'reloadcmd', 'run-hook'],
  ]),
  ...wordsFor('did you mean --dry-run?', ['noop', 'what-if', 'simulate']),
};

function wordsFor(meant: string, words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => [word, meant]));
}
