/** `pemfleet account`: shows the account at each CA, and registers one where there is none; --rollover changes its key first. */
import { withCas } from '../wiring.ts';
import { type Command, loadConfigAndBucket, passEnvironmentOf, print, printJson } from './command.ts';
import { EXIT } from './output.ts';

export const accountCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  const verb = values.rollover ? 'rolloverAccount' : 'account';
  const accounts = await withCas(bucket, config, passEnvironmentOf(values).timing, (authorities) =>
    Promise.all(
      [...authorities.values()].map(async (authority) => {
        const { accountUrl, thumbprint } = await authority[verb]();
        return { directoryUrl: authority.settings.directoryUrl, url: accountUrl, thumbprint };
      }),
    ),
  );
  if (values.json) {
    printJson({ version: 1, accounts });
    return EXIT.ok;
  }
  for (const { directoryUrl, url, thumbprint } of accounts) {
    print(`${directoryUrl}\n  account    ${url}\n  thumbprint ${thumbprint}\n`);
  }
  return EXIT.ok;
};
