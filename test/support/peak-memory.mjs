// Preloaded into a program (`NODE_OPTIONS=--import=…`): writes the peak of its resident memory, in kB, when it ends.
import { readFileSync } from 'node:fs';

// Not resourceUsage().maxRSS: a child begins with that of the process that started it.
const peakKb = () => /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];

process.on('exit', () => process.stderr.write(`peak=${peakKb()}\n`));
