/** The commands that go through the function, by their names: reach.ts says by which alias. */
import type { Command } from '../command.ts';
import { caaCommand } from '../dns/caa.ts';
import { dnsRecordsCommand } from '../dns/dns-records.ts';
import { haproxyConfigCommand } from '../haproxy-config.ts';
import { planCommand, renewCommand, runCommand } from '../pass.ts';
import { probeCommand } from '../probe.ts';
import { drillCommand } from '../replacement/drill.ts';
import { replaceCommand } from '../replacement/replace.ts';
import { revokeCommand } from '../revoke.ts';
import { statusCommand } from '../status.ts';
import { takeOverCommand } from '../take-over.ts';
import { auditCommand } from '../undo/audit.ts';
import { historyCommand } from '../undo/history.ts';
import { holdCommand, resumeCommand } from '../undo/hold.ts';
import { rollbackCommand } from '../undo/rollback.ts';
import { withdrawCommand } from '../withdraw.ts';
import type { REACH } from './reach.ts';

/** Those that REACH lets through, and no others: a test compares. */
export const REMOTE_COMMANDS: Readonly<Partial<Record<keyof typeof REACH, Command>>> = {
  run: runCommand,
  plan: planCommand,
  status: statusCommand,
  probe: probeCommand,
  revoke: revokeCommand,
  replace: replaceCommand,
  drill: drillCommand,
  withdraw: withdrawCommand,
  audit: auditCommand,
  history: historyCommand,
  renew: renewCommand,
  rollback: rollbackCommand,
  hold: holdCommand,
  resume: resumeCommand,
  'take-over': takeOverCommand,
  caa: caaCommand,
  'dns-records': dnsRecordsCommand,
  'haproxy-config': haproxyConfigCommand,
};
