/** A year of certificates that live 160 hours, with a wake every 15 minutes (`npm run test:long`). */
import { HOUR_MS } from '#common/time.ts';
import { yearOf } from './year-suite.ts';

yearOf('160 hours', 160 * HOUR_MS, [15]);
