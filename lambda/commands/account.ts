/** `pemfleet account`: shows the account of each CA, registering it if there is none; --rollover changes its key first. */
import { withAuthorities } from '../wiring.ts';
import { type Command, open, print, printJson, world } from './command.ts';
import { EXIT } from './output.ts';

export const account: Command = async (values) => {
  const { config, bucket } = await open(values);
  const work = values.rollover ? 'rolloverAccount' : 'account';
  const accounts = await withAuthorities(bucket, config, world(values).timing, (authorities) =>
    Promise.all(
      [...authorities.values()].map(async (authority) => {
        const { accountUrl, thumbprint } = await authority[work]();
        return { directoryUrl: authority.settings.directoryUrl, url: accountUrl, thumbprint };
      }),
    ),
  );
  if (values.json) printJson({ version: 1, accounts });
  else
    for (const { directoryUrl, url, thumbprint } of accounts)
      print(`${directoryUrl}\n  account    ${url}\n  thumbprint ${thumbprint}\n`);
  return EXIT.ok;
};
