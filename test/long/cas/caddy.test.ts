import { startCaddyStage } from '../../support/issuer/stage.ts';
import { caCampaign } from './ca-campaign.ts';

caCampaign("Caddy's ACME server", { start: startCaddyStage, findsLostOrders: false });
