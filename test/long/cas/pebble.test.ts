import { startStage } from '../../support/issuer/stage.ts';
import { caCampaign } from './ca-campaign.ts';

caCampaign('Pebble', { start: (t) => startStage(t, { authzReuse: 0 }), findsLostOrders: true });
