// Each write in turn: long/agent/kill.test.ts.
import { killWhileTrusting } from '../../../support/agent/kill-trust.ts';

killWhileTrusting({ at: 'fs.rename', first: 2, step: 4 });
