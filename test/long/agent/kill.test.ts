// The agent killed at each of its commands to HAProxy and at each of its outward calls, by directory and by crt-list (`npm run test:long`):
// each second of them today, the others tomorrow.
import { killCampaigns } from '../../support/agent/kill-campaign.ts';
import { killWhileTrusting } from '../../support/agent/kill-trust.ts';
import { turnOf } from '../../support/turn.ts';

const first = 1 + turnOf(2);

killCampaigns([
  { version: '2.6', only: 'socket.write', first: 1, step: 1 },
  { version: '3.0', only: 'socket.write', first: 1, step: 1 },
  { version: '3.2', only: '', first, step: 4 },
  { version: '3.2', only: '', first: first + 2, step: 4 },
  { version: '3.0', only: '', first, step: 4, isListed: true },
  { version: '2.6', only: '', first: first + 2, step: 4, isListed: true },
]);

killWhileTrusting({ at: 'fs.rename', first: 1, step: 1 });
killWhileTrusting({ at: 'handle.writeFile', first: 1, step: 1 });
