/** `pemfleet account`: shows the account at each CA, and registers one where there is none; --rollover changes its key first. */
import { withCas } from '../wiring.ts';
import { type Command, loadConfigAndBucket, passEnvironmentOf, print, printJson } from './command.ts';
import { EXIT } from './output.ts';

export const accountCommand: Command = async (values) => {
  const { config, bucket } = await loadConfigAndBucket(values);
  const verb = values.rollover ? 'rolloverAccount' : 'account';
  const { timing } = passEnvironmentOf(values);
  const accounts = await withCas({ bucket, config, timing }, (cas) =>
    Promise.all(
      [...cas.values()].map(async (ca) => {
        const { accountUrl, thumbprint } = await ca[verb]();
        return { directoryUrl: ca.settings.directoryUrl, url: accountUrl, thumbprint };
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
