/** A year of certificates that live 45 days (`npm run test:long`). */
import { DAY_MS } from '#common/time.ts';
import { yearOf } from './year-suite.ts';

yearOf('45 days', 45 * DAY_MS);
