/** Rules of the agent. */
import { type Mutant, mutantsOf } from './mutant.ts';

export const AGENT_MUTANTS: readonly Mutant[] = [
  ...mutantsOf('agent/pass/apply.ts', 'test/parts/agent/pass/paced.test.ts', [
    [
      'HAProxy 2.6: the pace is awaited',
      'await pace(file.action);',
      'void pace(file.action);',
      '2.6: a pass awaits the pace',
    ],
  ]),
  ...mutantsOf('agent/pass/sync.ts', 'test/parts/agent/pass/lock.test.ts', [
    [
      'one agent at a time on a directory',
      'await withDirectoryLock(certsDir, lock, () => runPass(agent, options))',
      'await runPass(agent, options)',
      'an agent that holds the lock',
    ],
  ]),
  ...mutantsOf('agent/deploy/handshake.ts', 'test/unit/agent/deploy/handshake.test.ts', [
    [
      'ERR_HANDSHAKE_CHAIN: the length of the chain on the wire counts',
      'if (wrong === -1 && chain.length === length) return;',
      'if (wrong === -1) return;',
      'ERR_HANDSHAKE_CHAIN',
    ],
    [
      'ERR_HANDSHAKE_CHAIN: each intermediate on the wire counts',
      'if (wrong === -1 && chain.length === length) return;',
      'if (chain.length === length) return;',
      'ERR_HANDSHAKE_CHAIN',
    ],
    [
      'ERR_HANDSHAKE_CERTIFICATE: the certificate on the wire counts',
      "if (shown?.fingerprint.replaceAll(':', '') !== wanted.fingerprint) {",
      'if (shown === undefined) {',
      'ERR_HANDSHAKE_CERTIFICATE',
    ],
  ]),
  ...mutantsOf('agent/wire/tls-client.ts', 'test/unit/agent/wire/tls-client.test.ts', [
    [
      'ERR_HANDSHAKE_TIMEOUT: a bind that does not answer is named so',
      "'ERR_HANDSHAKE_TIMEOUT'",
      "'ERR_HANDSHAKE_CONNECT'",
      'a bind that never answers',
    ],
  ]),
  ...mutantsOf('agent/wire/connect.ts', 'test/unit/agent/wire/address.test.ts', [
    [
      'an address of another machine is never proved there',
      'if (local.length > 0) return',
      'if (host.length > 0) return',
      'what is not here',
    ],
  ]),
  ...mutantsOf('agent/haproxy/socket.ts', 'test/unit/agent/haproxy/socket.test.ts', [
    [
      'ERR_RUNTIME_SOCKET_DENIED: a socket that is closed to the user',
      "'ERR_RUNTIME_SOCKET_DENIED',",
      "'ERR_RUNTIME_SOCKET_MISSING',",
      'ERR_RUNTIME_SOCKET_DENIED',
    ],
    [
      'ERR_RUNTIME_SOCKET_IO: what else goes wrong with the socket',
      "'ERR_RUNTIME_SOCKET_IO'",
      "'ERR_RUNTIME_SOCKET_REFUSED'",
      'ERR_RUNTIME_SOCKET_IO',
    ],
  ]),
  ...mutantsOf('agent/state/documents.ts', 'test/unit/agent/state/documents.test.ts', [
    [
      'ERR_STATE_DIRECTORY: a state that cannot be saved is said',
      "new HostError('ERR_STATE_DIRECTORY', message)",
      "new HostError('ERR_INSTALL', message)",
      'ERR_STATE_DIRECTORY',
    ],
    [
      'a state that cannot be saved is kept in memory',
      'unsaved.set(path, { text, wasRead: unsaved.get(path)?.wasRead ?? false });',
      '',
      'ERR_STATE_DIRECTORY',
    ],
  ]),
  ...mutantsOf('agent/deploy/restore.ts', 'test/unit/agent/deploy/restore.test.ts', [
    [
      'the old certificate is put back where one of two places has the new one',
      '&& isChanged && previous !== undefined',
      '&& isChanged && previous !== undefined && runtimeFiles.length === 1',
      'where one of two places has taken the new certificate',
    ],
    [
      'a place that has the old certificate is left alone',
      '&& isChanged && previous !== undefined',
      '&& previous !== undefined',
      'and the other is left alone',
    ],
  ]),
  ...mutantsOf('agent/proof/known.ts', 'test/unit/agent/proof/known.test.ts', [
    [
      'a proof belongs to one content',
      'return known?.sha256 === sha256 ? known : undefined;',
      'return known;',
      'of another content',
    ],
    [
      'a proof belongs to an address',
      "if (rule.addresses.some((address) => !proofs.has(address) && !unproven.has(address))) return 'none';",
      '',
      'at one of two addresses',
    ],
    [
      'a proof belongs to a worker',
      'return pid !== undefined && attempt.pid !== pid;',
      'return false;',
      'by a worker that was reloaded since',
    ],
    ['a proof has an age', 'at <= now && now - at < maxAgeMs', 'at <= now', 'a proof ten minutes ago'],
    [
      'a proof of the future is none',
      'at <= now && now - at < maxAgeMs',
      'now - at < maxAgeMs',
      'a proof in the future',
    ],
    [
      'what is odd has no proof',
      ' || this.#distrusted.has(file)) return',
      ') return',
      'a file that is distrusted',
    ],
    [
      'a dead bind is tried once a minute',
      'maxAgeMs: MINUTE_MS }) ? dead',
      'maxAgeMs: 0 }) ? dead',
      'an address that does not answer',
    ],
    [
      'a dead bind is dead since the first time',
      'known !== undefined && known.since <= attempt.at ? known.since : attempt.at;\n    const dead',
      'attempt.at;\n    const dead',
      'an address that does not answer',
    ],
  ]),
  ...mutantsOf('agent/proof/status.ts', 'test/unit/agent/proof/known.test.ts', [
    [
      'provenAt is the oldest proof',
      'const oldest = Math.min(...ageing',
      'const oldest = Math.max(...ageing',
      'with the last proof',
    ],
    [
      'what no handshake has shown yet is told',
      'isNotYet ? notYet(before, now) : ',
      '',
      'no handshake has shown yet is told',
    ],
  ]),
  ...mutantsOf('agent/proof/quota.ts', 'test/unit/agent/proof/quota.test.ts', [
    [
      'odd files are proved first',
      'proofs.isDistrusted(file) ? 0 : ',
      '',
      'a pass between polls proves the odd ones first',
    ],
  ]),
  ...mutantsOf('agent/proof/pace.ts', 'test/unit/agent/proof/quota.test.ts', [
    [
      'handshakes take no more than 1 % of a core',
      'HANDSHAKE_EVERY_MS = 260',
      'HANDSHAKE_EVERY_MS = 26',
      'as many due ones as the time since the last allows',
    ],
  ]),
  ...mutantsOf('agent/proof/pace.ts', 'test/unit/agent/proof/round.test.ts', [
    [
      'the span of proofs grows with their number',
      'Math.max(proveWithinMs, total * this.evenlyMs(total, proveWithinMs) * this.#delay)',
      'proveWithinMs',
      '10000 handshakes: each has its turn within 43 minutes',
    ],
  ]),
  ...mutantsOf('agent/watch/portions.ts', 'test/unit/agent/watch/portions.test.ts', [
    ['a look takes no more than 1 % of a core', 'affordable(MAX_SHARE), ', '', 'then as many as that allows'],
    [
      'each file is looked at within the span',
      'Math.ceil(total * Math.min(1, everyMs / withinMs))',
      '1',
      'many polls within the span share the files',
    ],
    ['each file has its turn', 'this.#last = portion.at(-1);', '', 'each has its chance'],
  ]),
  ...mutantsOf('agent/drift/detect.ts', 'test/unit/agent/drift/detect.test.ts', [
    [
      'drift: a file that is gone',
      "if (onDisk === undefined) return 'file-missing';",
      'if (onDisk === undefined) return undefined;',
      'no file: file-missing',
    ],
    [
      'drift: a file that was edited',
      "? 'file-replaced' : 'file-edited'",
      "? 'file-replaced' : undefined",
      'another content: file-edited',
    ],
    [
      'drift: an intermediate that HAProxy has lost',
      "if (isListed && isChainShort) return 'chain-lost';",
      '',
      'an intermediate less: chain-lost',
    ],
    [
      'drift: an update that a reload has lost',
      "if (isNewWorker) return 'update-lost';",
      '',
      'another certificate, another worker: update-lost',
    ],
    [
      "drift: a stranger's certificate in HAProxy",
      "? 'runtime-foreign' : 'line-missing'",
      "? 'update-lost' : 'line-missing'",
      'another certificate, same worker: runtime-foreign',
    ],
    [
      'no drift: what the manifest has changed',
      'if (left.sha256 !== action.desired.sha256) return [];',
      '',
      'a new publication: no drift',
    ],
    [
      'no drift: what the settings have changed',
      ' || facts.left.settings !== facts.settings',
      '',
      'other settings: no drift',
    ],
  ]),
  ...mutantsOf('agent/drift/ledger.ts', 'test/unit/agent/drift/ledger.test.ts', [
    [
      'drift: what returns is counted',
      'count: count + 1',
      'count: 1',
      'what returns every night is one entry',
    ],
    [
      'drift: kept for 14 days',
      'KEPT_DAYS = 14',
      'KEPT_DAYS = 1400',
      '14 days after the last time it is gone',
    ],
  ]),
  ...mutantsOf('agent/drift/drift.ts', 'test/parts/agent/watch/drift.test.ts', [
    [
      'drift: what was repaired stands in the host status',
      'return { ...forgotten, drift: [...drift] };',
      'return forgotten;',
      'a crt directory: files, run time and reloads',
    ],
  ]),
  ...mutantsOf('agent/trust/conditions.ts', 'test/unit/agent/pass/frozen.test.ts', [
    [
      'clocks: a host whose clock is behind says so',
      'Math.abs(clockOffsetMs) > CLOCK_SLACK_MS',
      'clockOffsetMs > CLOCK_SLACK_MS',
      "a host whose clock is a day behind of the store's",
    ],
    [
      'clocks: half a minute is no offset',
      'Math.abs(clockOffsetMs) > CLOCK_SLACK_MS',
      'clockOffsetMs !== 0',
      "half a minute ahead of the store's says nothing of it",
    ],
  ]),
  ...mutantsOf('agent/trust/accept.ts', 'test/unit/agent/trust/accept.test.ts', [
    [
      'a root is no older than what the host has had',
      'const isLower = floor !== undefined && sequence < floor.sequence;',
      'const isLower = false;',
      'a lower sequence: stale-manifest',
    ],
    [
      'receipts remember the sequence where all else is lost',
      '[...known.floors, ...receipts]',
      '[...known.floors]',
      'a lower sequence than a receipt: stale-manifest',
    ],
    [
      'of one sequence there is one root',
      'if (isLower || isOther) return',
      'if (isLower) return',
      'the same sequence and another head: stale-manifest',
    ],
    [
      "a thief's sequence holds nothing up",
      'highest(floors.map((one) => withoutThief(one, followed)))',
      'highest(floors)',
      'after a theft: what the thief signed counts',
    ],
  ]),
  ...mutantsOf('agent/trust/floor.ts', 'test/unit/agent/trust/accept.test.ts', [
    [
      'a receipt counts in its own fleet',
      'receipt.claims.fleet !== fleet || ',
      '',
      "receipts of a stranger, and of another fleet, are nobody's word",
    ],
  ]),
  ...mutantsOf('agent/state/ended.ts', 'test/unit/agent/state/ended.test.ts', [
    [
      'a tombstone ends the digests that it names',
      'tombstones?.[certificate]?.pems.some((pem) => pem.sha256 === sha256)',
      'tombstones?.[certificate]?.pems.some((pem) => pem !== undefined)',
      'of a later one that has the tombstone, too',
    ],
    [
      'an older entry does not bring back what was ended',
      'sequence ?? -1) >= sequence;',
      'sequence ?? -1) > sequence;',
      'an entry of the manifest with the tombstone',
    ],
    [
      'a clock of the host that is ahead ends nothing',
      'end <= Date.parse(signedAt ?? updatedAt) && end <= now.getTime()',
      'end <= now.getTime()',
      'a time has passed when it has for both',
    ],
    [
      'a clock of the issuer that is ahead ends nothing',
      'end <= Date.parse(signedAt ?? updatedAt) && end <= now.getTime()',
      'end <= Date.parse(signedAt ?? updatedAt)',
      'it is forgotten when the PEM has expired for the issuer and for this host',
    ],
  ]),
  ...mutantsOf('agent/removal/ends.ts', 'test/unit/agent/removal/ends.test.ts', [
    [
      'a tombstone that is older than the publication ends nothing',
      'words.filter(({ sequence }) => sequence >= since)',
      'words.filter(({ sequence }) => sequence >= Math.min(since, 0))',
      'withdrawn, and published again since',
    ],
    [
      'what is superseded stays until its successor is served',
      'by.includes(one.certificate) && isServedHere(one, input)',
      'by.includes(one.certificate)',
      'what took its place is not served yet',
    ],
  ]),
];
