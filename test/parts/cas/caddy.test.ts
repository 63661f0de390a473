import { caSuite, LIFETIME_HOURS, REFUSED } from '../../support/issuer/ca-suite.ts';
import { startCaddyStage } from '../../support/issuer/stage.ts';

caSuite("Caddy's ACME server", (t) =>
  startCaddyStage(t, { lifetime: `${LIFETIME_HOURS}h`, deny: [REFUSED] }),
);
