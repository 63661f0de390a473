// The agent killed at each of its commands to HAProxy and at each of its outward calls, by directory and by crt-list (`npm run test:long`).
import { killCampaigns } from '../../support/agent/kill-campaign.ts';
import { killWhileTrusting } from '../../support/agent/kill-trust.ts';

killCampaigns([
  { version: '2.6', only: 'socket.write', first: 1, step: 1 },
  { version: '3.0', only: 'socket.write', first: 1, step: 1 },
  { version: '3.2', only: '', first: 1, step: 2 },
  { version: '3.2', only: '', first: 2, step: 2 },
  { version: '3.0', only: '', first: 1, step: 2, isListed: true },
  { version: '2.6', only: '', first: 2, step: 2, isListed: true },
]);

killWhileTrusting({ at: 'fs.rename', first: 1, step: 1 });
killWhileTrusting({ at: 'handle.writeFile', first: 1, step: 1 });
