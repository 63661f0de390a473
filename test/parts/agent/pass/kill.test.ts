// The agent killed at its commands to HAProxy, and at a sample of all its calls; at all of them: long/kill.test.ts.
import { killCampaigns } from '../../../support/agent/kill-campaign.ts';

killCampaigns([
  { version: '2.6', only: 'socket.write', first: 1, step: 2 },
  { version: '3.2', only: '', first: 1, step: 15 },
]);
