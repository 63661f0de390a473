// The agent killed at every command to HAProxy, and at a sample of all its calls; at all of them: long/kill.test.ts.
import { killCampaigns } from './support/kill-campaign.ts';

killCampaigns([
  { version: '2.6', only: 'socket.write', first: 1, step: 1 },
  { version: '3.0', only: 'socket.write', first: 1, step: 1 },
  { version: '3.2', only: '', first: 1, step: 7 },
]);
