import { caSuite, LIFETIME_HOURS, REFUSED } from '../../support/issuer/ca-suite.ts';
import { sharedStage } from '../../support/issuer/shared-stage.ts';
import { startStage } from '../../support/issuer/stage.ts';

const profiles = { default: { validityPeriod: LIFETIME_HOURS * 3600 } };

caSuite(
  'Pebble',
  sharedStage((owner) => startStage(owner, { authzReuse: 0, profiles, blocked: [REFUSED] })),
);
